"""Certificates of stations: requests are checked, and signed by an authority of the site's own or by a program.

Knows neither stations nor OCPP. Everything is PEM text; an identity is the CN of a certificate's subject.
"""

from bridge.pki.authority import Authority, Issued, KeyKind
from bridge.pki.program import ask_program
from bridge.pki.requests import check_chain, check_length, check_request

__all__ = ["Authority", "Issued", "KeyKind", "ask_program", "check_chain", "check_length", "check_request"]
