"""The demo from its first line to its last."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cachelayer import Cache
from cachelayer.demo import queries, tables
from cachelayer.demo.airports import load_airports, store_airports
from cachelayer.demo.app import make_app
from cachelayer.demo.database import Database
from cachelayer.demo.report import Report, RushReport, make_report
from cachelayer.demo.sending import Answer, send, send_at_once
from cachelayer.demo.serving import listen, serving, url_of
from cachelayer.demo.traffic import Visit, Visitors

T = TypeVar("T")

RUSH = 40
