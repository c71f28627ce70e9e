# The workflow is in workflow/Snakefile, where Snakemake, its catalog and snakedeploy look for it. This file serves commands and scripts that
# name the one at the root.
include: "workflow/Snakefile"


# of an included file Snakemake takes no default target, and would do nothing, without a word
workflow.default_target = "all"
