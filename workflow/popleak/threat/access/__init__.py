"""What an adversary may see of a model: plugins, one class a kind of release."""
