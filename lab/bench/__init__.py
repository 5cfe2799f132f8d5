"""Speed and memory."""

# verb -> (module of this room, what it does, example)
VERBS = {
    "bench": (
        "bench",
        "time scorers, search, features, engine, a GPU or selection",
        "bench metrics",
    ),
}
