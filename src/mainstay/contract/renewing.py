"""The part of a contract that says how a model is trained anew, as immutable values."""

import msgspec


class Renew(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How `mainstay retrain` makes the next version; nothing is trained where `train` is empty."""

    train: str = ""
    """The function that trains, `module:function`, in the workspace's folder of training code. It
    is given the labelled decisions and returns a model."""
    over: str = "90d"
    """How far back the decisions reach that it learns from."""
    newest: str = "20 %"
    """The newest part of them, which it is not shown: the version's confidence set."""
    time: str = "20m"
    """How long it may take."""
    memory_gb: float = 8.0
    """How much memory it may ask for; address space, several times what is resident."""
    disk_gb: float = 1.0
    """How large a file it may write."""
