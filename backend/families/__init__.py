"""One file per kind of base model, and where base models are."""
