"""Every queue, body, string and count has a bound, and the bounds are all here.

A limit is a promise about memory and time, so it is refused in words at the door, never met by
falling over. Units are the last word of a name.
"""

from typing import Final

# What one request may carry.
BODY_MAX_BYTES: Final = 16 * 1024 * 1024
JSON_DEPTH_MAX: Final = 64
ROWS_PER_CALL_MAX: Final = 8192
TEXT_MAX_CHARACTERS: Final = 100_000
CATEGORY_MAX_CHARACTERS: Final = 1_000
REQUEST_ID_MAX_CHARACTERS: Final = 256
NAME_MAX_CHARACTERS: Final = 128
VECTOR_MAX_LENGTH: Final = 65_536
TENSOR_MAX_DIMENSIONS: Final = 8

# What one worker holds at once; beyond it requests are shed with Retry-After.
WAITING_ROWS_MAX: Final = 32_768
JOINED_ROWS_MAX: Final = 256
ARMS_MAX: Final = 8
SHADOW_ROWS_MAX: Final = 1024
SHADOW_YIELDS_TO_ROWS: Final = 64
CHOICES_MAX: Final = 100_000
CHOICES_WAITING_MAX: Final = 10_000
CHOICES_AT_ONCE_MAX: Final = 2000
CONNECTIONS_MAX: Final = 4096
REFUSED_CALLERS_MAX: Final = 1_000
REFUSED_REASONS_MAX: Final = 20
HEADERS_MAX: Final = 100
HEADERS_MAX_BYTES: Final = 32 * 1024
URL_MAX_BYTES: Final = 8 * 1024
PIPELINED_MAX: Final = 32

# What one contract may declare.
INPUTS_MAX: Final = 10_000
CLASSES_MAX: Final = 10_000
CATEGORY_VALUES_MAX: Final = 100_000
CONTRACT_MAX_BYTES: Final = 4 * 1024 * 1024
EXTENDS_DEPTH_MAX: Final = 8
CONTRACT_DEPTH_MAX: Final = 32
CONTRACT_MISTAKES_MAX: Final = 50
INTEGER_MAX: Final = 2**53 - 1
LOOKUP_TIMEOUT_MAX_SECONDS: Final = 60
DEADLINE_MAX_SECONDS: Final = 3600
WORDS_MAX_CHARACTERS: Final = 1000
STEPS_MAX: Final = 20
EXPRESSION_MAX_CHARACTERS: Final = 2_000
EXPRESSION_PARTS_MAX: Final = 200
EXPRESSION_DEPTH_MAX: Final = 20
EXPRESSION_EXPONENT_MAX: Final = 16
RULES_MAX: Final = 100
HOLD_LEAST_MAX: Final = 1_000_000
HELD_MAX: Final = 10_000
FALLBACK_STEPS_MAX: Final = 8
REPAIR_STEPS_MAX: Final = 8
SPELLING_WORDS_MAX: Final = 1000

# What an answer or a refusal may grow to.
PROBLEMS_PER_CALL_MAX: Final = 100
GOT_MAX_CHARACTERS: Final = 100
OPTIONS_SHOWN_MAX: Final = 100

# What one bundle may be.
BUNDLE_MAX_BYTES: Final = 8 * 1024 * 1024 * 1024
BUNDLE_FILES_MAX: Final = 1000
MANIFEST_MAX_BYTES: Final = 8 * 1024 * 1024
TRIAL_MAX_SECONDS: Final = 120

# What is counted across requests.
TALLY_NAMES_MAX: Final = 10_000
TALLY_KEYS_MAX: Final = 100_000
TALLY_ROWS_MAX: Final = 2_000_000
TALLY_BUCKETS_MAX: Final = 10_000
TALLY_WIDTH_MAX: Final = 16
TALLY_KEY_MAX_CHARACTERS: Final = 200
UNDO_WAITING_MAX: Final = 100_000
CORRECTIONS_AT_ONCE_MAX: Final = 500
CORRECTIONS_AT_ONCE_MAX_BYTES: Final = 1024 * 1024
SUBJECT_PHRASES_MAX: Final = 10_000
PATTERNS_MAX: Final = 100
PATTERN_MAX_CHARACTERS: Final = 500
KNOWN_VALUES_MAX: Final = 5_000_000

# How the journal breathes.
SPOOL_SYNC_EVERY_MS: Final = 50
SPOOL_PIECE_MAX_BYTES: Final = 64 * 1024 * 1024
SPOOL_PIECE_MAX_SECONDS: Final = 60
SPOOL_FREE_DISK_MIN_BYTES: Final = 256 * 1024 * 1024
QUERY_MEMORY_MAX_BYTES: Final = 2_000_000_000

# What watching keeps.
WATCHED_COLUMNS_MAX: Final = 2_000
SLICES_PER_COLUMN_MAX: Final = 50
STEPS_WATCHED_MAX: Final = 20

# Where answers are shown.
PLACES_MAX: Final = 10_000

# What is told of keys, not of decisions.
KEY_MAX_CHARACTERS: Final = 256
KEYED_WAITING_MAX: Final = 100_000

# What a history may be.
HISTORY_FILES_MAX: Final = 10_000
HISTORY_SQL_MAX_CHARACTERS: Final = 20_000
HISTORY_MAX_SECONDS: Final = 3600

# What people are asked to label.
LABEL_TASKS_MAX: Final = 10_000
LABEL_BODY_MAX_BYTES: Final = 64 * 1024
