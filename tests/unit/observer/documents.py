"""A contract and a reference for tests of what is counted."""

CONTRACT = {
    "inputs": [
        {"name": "amount", "type": "float", "range": {"min": 0}},
        {"name": "country", "type": "category", "categories": ["DE", "FR"]},
    ],
    "outputs": [{"name": "score", "type": "float", "range": {"min": 0, "max": 1}}],
}
REFERENCE = {
    "rows": 1000,
    "inputs": [{"name": "amount", "spread": "number", "edges": [0, 10, 20], "ratios": [0.5, 0.5]}],
    "outputs": [{"name": "score", "spread": "number", "edges": [0, 0.5, 1], "ratios": [0.5, 0.5]}],
}
