"""The terms of a federation: the signed file that every member reads, and what may stand in it.

Beside the terms the file has the aggregator's first card: where it is reached, and how one knows it
there. Newer cards follow by themselves.
"""

from protocol.terms.address_card import (
    MAX_CARD_NUMBER,
    PUBLIC,
    AddressCard,
    CardNumber,
    Url,
    check_card,
    check_newer,
    parse_card,
    render_card,
    sign_card,
)
from protocol.terms.names import fault_of_name, fault_of_url, is_host, normal
from protocol.terms.predecessor import KeySource, Predecessor
from protocol.terms.succession import (
    Changes,
    Setting,
    changes,
    check_succession,
    least_consents,
    numbers_on_board,
)
from protocol.terms.terms import (
    AGGREGATOR,
    Floors,
    Member,
    Terms,
    TermsText,
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
