"""The chain of custody: what each product was made from, written, compared and shown."""

# verb -> (module of this room, what it does, example)
VERBS = {
    "trace": (
        "trace",
        "show what a product was made from, down to the training",
        "trace weights/my-gli",
    ),
}
