"""An experiment's config: its pydantic models, read strictly, checked and resolved."""
