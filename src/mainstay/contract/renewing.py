"""The part of a contract that says how a model is trained anew, as immutable values."""

import msgspec


class RenewCosts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is weighed, in one unit of money or trouble."""

    of_error: float
    """What a wrong answer costs; for a model of numbers, one unit of distance."""
    of_training: float
    """What a training costs, with the release of what comes of it."""


class RenewWhen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a model should be trained anew: as soon as one of these is so."""

    fresher_than: str = ""
    """The newest of what its newest version learned from is older than this."""
    labels: int | None = None
    """So many labels have come since that version was made."""
    drift: tuple[str, ...] = ()
    """Watching finds that one of these has changed: `inputs`, `answers`, `labels`."""
    costs: RenewCosts | None = None
    """Its errors beyond those it made at its best have cost as much as a training."""


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
    start: str = "scratch"
    """Where a training starts: from `scratch`, or from what the training of the version `before`
    left in `data.keep`, where it left anything."""
    through: str = ""
    """A command that a training is run through, such as `srun --mem=16G`: the command that trains
    is put behind it. It must see the files of this machine in the same places."""
    features: str = "made"
    """Where the features come from that it learns from: `made` anew by the training code, or
    `logged`, as they were when the decisions were made. Then it learns only from decisions whose
    features were made by the extractor of the version that answers, and the next version has that
    extractor too."""
    when: RenewWhen | None = None
    """When it should be trained. The keeper looks, and says so as the finding `retraining`; a rule
    of `[alerts]` with `do = ["retrain"]` trains."""
