"""Reading recordings, and measuring what is in them."""

from .abf import read_abf as read_abf
from .csv import read_csv as read_csv
from .features import Features as Features, FiringRates as FiringRates, StepFeatures as StepFeatures
from .files import DataError as DataError
from .npz import read_npz as read_npz
from .nwb import read_nwb as read_nwb
from .passive import Passive as Passive
from .protocol import ProtocolStep as ProtocolStep
from .read import read as read
from .recording import Recording as Recording
from .spikes import Spike as Spike
