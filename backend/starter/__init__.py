"""The starter: a small text-to-video base model, the world it was trained on, and how it was made."""
