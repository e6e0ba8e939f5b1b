"""Archives of any number of images: a plan, engines that work on it, and a report that outlives them.

    manifest -> plan -> engine -> report        (ppyr batch SRC DST)
                report -> engine -> findings    (ppyr verify --report REPORT)

`manifest` lists sources and outputs, `engines` and `ray_engine` send them to workers, `compressor` and
`checker` are what a worker does, `report` keeps a row for each image, and `storage` reaches files on disks
and behind URLs. No list of all images is ever held in memory, only some bytes for each.
"""
