# raw files that are not in `data_dir`: from their publisher, checked. The only rule that uses the network.
rule fetch:
    output:
        f"{popleak_plan.ROOT}/data/{{dataset}}/{{file}}",
    log:
        f"{LOGS}/fetch/{{dataset}}/{{file}}.log",
    localrule: True
    threads: 1
    resources:
        mem_mb=500,
        runtime=60,
    params:
        source=lambda wildcards: PLAN.source(f"{popleak_plan.ROOT}/data/{wildcards.dataset}/{wildcards.file}"),
    shell:
        "python -m popleak fetch --dataset {wildcards.dataset} --source {params.source:q} --output {output} 2>&1 | tee {log}"
