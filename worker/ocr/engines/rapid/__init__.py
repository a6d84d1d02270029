"""RapidOCR, the default engine: its models and its decoding, with our own way from the page to the networks.

`print_size` measures the print, `detection` finds the lines on a copy in which the print has the right size,
`recognition` reads them from the page itself, very long ones in `pieces`, `places` finds their words, and
`networks` runs the models on OpenVINO or onnxruntime.
"""
