"""Reading recordings."""

from .abf import read_abf as read_abf
from .csv import read_csv as read_csv
from .files import DataError as DataError
from .npz import read_npz as read_npz
from .read import read as read
from .recording import Recording as Recording
