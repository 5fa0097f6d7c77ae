"""The terms of a federation: the signed file that every member reads, and what may stand in it."""

from protocol.terms.names import fault_of_name, fault_of_url, is_host, normal
from protocol.terms.terms import (
    AGGREGATOR,
    AggregatorAddress,
    Floors,
    Member,
    Terms,
    check,
    floor,
    parse,
    render,
    render_signature,
    require_signed,
    sign_terms,
)
from protocol.terms.toml_table import Table
from protocol.terms.toml_text import NotToml, read_toml
