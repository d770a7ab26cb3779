"""What a person can put right. Everything else is a bug and keeps its traceback."""


class UserError(Exception):
    """One clear sentence about what is wrong, and one about what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()
