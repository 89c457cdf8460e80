"""What can go wrong, by exit code."""

USAGE, DATA, NUMERICAL, RESOURCE, INTERRUPTED, TERMINATED = 2, 3, 4, 5, 130, 143


class CommandError(Exception):
    """Ends the command with a line on standard error and `code`."""

    code = USAGE


class NumericalError(CommandError):
    """The numbers failed: no start could be evaluated, or nothing finite came out."""

    code = NUMERICAL


class ResourceError(CommandError):
    """Memory, disk or device failed."""

    code = RESOURCE
