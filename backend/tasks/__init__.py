"""What can be asked for: learn, generate, edit, import, export."""

from backend.api.protocol import Edit, Export, Generate, Import, Learn, Request
from backend.api.values import check
from backend.tasks.run import Result, Run


def perform(request: Request, run: Run) -> Result:
    """Do what is asked for. Raises UserError for what a person can put right, Stopped when asked to stop."""
    check(request)
    # Only now: these load PyAV and torch, which takes seconds, and the process has things to say before.
    from backend.tasks.early import refuse_early

    refuse_early(request)
    from backend.tasks.edit import edit
    from backend.tasks.exchange import perform_export, perform_import
    from backend.tasks.generate import generate
    from backend.tasks.learn import learn

    match request:
        case Learn():
            return learn(request, run)
        case Generate():
            return generate(request, run)
        case Edit():
            return edit(request, run)
        case Import():
            return perform_import(request, run)
        case Export():
            return perform_export(request)
