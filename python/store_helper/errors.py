"""What the caller did wrong, told by kind; every other exception is the kind `failed`."""


class HelperError(Exception):
    kind = "failed"


class BadInput(HelperError):
    kind = "input"


class NotFound(HelperError):
    kind = "notfound"
