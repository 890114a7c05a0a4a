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


class History(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rows of your own that a model learns from, in the place of the journal: files, or what a
    database answers. Each row is a decision with its label; rows of one `id` are one decision of
    which several labels were heard. All else that `labels` says holds for them too."""

    id: str
    """The column that names the decision."""
    time: str
    """The column of when it was made. Moments without an offset are UTC."""
    label: str
    """The column of what was right; where it is empty, nothing was heard."""
    known: str
    """The column of when the label was heard; the column of `time` where that was at once."""
    parquet: str = ""
    """The Parquet files, such as `history/*.parquet`; relative to the workspace, and then within
    it. An absolute path may lead anywhere."""
    sql: str = ""
    """The rows as one SELECT, which is run in a transaction that only reads."""
    database_env: str = ""
    """The environment variable that holds the URL of the database, for `sql`."""
    columns: dict[str, str] = {}
    """Inputs and context values to the columns that hold them, where those are called otherwise;
    values of a look-up as `context.field`."""
    means: dict[str, str] = {}
    """Values of the label's column to the answers they mean, such as `{"1": fraud, "0": ok}`."""
    weight: str = ""
    """The column of how much a row counts, 0 to 100; without it, or where it is empty, 1."""
    caller: str = ""
    """The column of who said what was right, for `labels.trust`."""
    held_out: str = ""
    """The column that is true where the model had no say, for `labels.learn_from`."""
    propensity: str = ""
    """The column of how probable it was that this version answered, for `labels.weigh`."""


class Renew(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How `mainstay retrain` makes the next version; nothing is trained where `train` is empty."""

    train: str = ""
    """The function that trains, `module:function`, in the workspace's folder of training code. It
    is given the labelled decisions and returns a model."""
    over: str = "90d"
    """How far back the decisions reach that it learns from."""
    history: History | None = None
    """Rows of your own to learn from, in the place of the journal's; also for the very first
    version."""
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
