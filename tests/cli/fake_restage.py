"""`restage` around tasks that need no model."""

from backend.cli.main import main
from tests.api.fake_backend import perform

if __name__ == "__main__":
    main(perform)
