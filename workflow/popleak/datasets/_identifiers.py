"""Columns that look as if they named people: a table's direct identifiers, told by the column's name or by its values.

A guess, made to be on the safe side: such a column is refused until the options drop or keep it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from ._numbers import DATE

FEW = 4
"""So few values in a table of at least ENOUGH rows are an answer such as yes and no (`telephone: none`), and name nobody."""
ENOUGH = 50
MOST = 0.8
"""Share of a column's values that must look alike before they are taken for identifiers."""
MANY_NAMES = 10
"""Fewer values of two capitalised words may be categories, such as High School and Some College."""

NAMES = frozenset(
    [
        "firstname",
        "lastname",
        "fullname",
        "surname",
        "forename",
        "givenname",
        "familyname",
        "maidenname",
        "username",
        "nickname",
        "vorname",
        "nachname",
        "nom",
        "prenom",
        "nombre",
        "apellido",
        "apellidos",
        "cognome",
        "nome",
        "sobrenome",
        "imie",
        "nazwisko",
    ]
)
REACHED = frozenset(
    [
        "email",
        "mail",
        "emails",
        "phone",
        "telephone",
        "telefon",
        "telefono",
        "tel",
        "mobile",
        "handy",
        "fax",
        "address",
        "addresses",
        "adresse",
        "direccion",
        "indirizzo",
        "endereco",
        "street",
        "strasse",
        "rue",
        "calle",
    ]
)
NUMBERS = frozenset(
    ["ssn", "passport", "iban", "nhs", "nino", "uuid", "guid", "uid", "taxid", "dni", "nif", "cpf", "aadhaar"]
)
A_NAME, AN_ID, A_NUMBER = frozenset(["name", "names"]), frozenset(["id", "ids"]), frozenset(["number", "nr", "no"])
"""Words that name or number whatever the words beside them say."""
PEOPLE = frozenset(
    [
        "person",
        "people",
        "customer",
        "client",
        "patient",
        "student",
        "pupil",
        "employee",
        "applicant",
        "borrower",
        "member",
        "user",
        "case",
        "subject",
        "respondent",
        "individual",
        "account",
        "record",
        "national",
        "tax",
        "social",
        "first",
        "last",
        "full",
        "given",
        "family",
        "middle",
        "maiden",
    ]
)
NUMBERED = re.compile(
    r"(^|[^a-z])(id|ids|nr|no|num|number|key|account|customer|client|case|person|people|ssn|serial)([^a-z]|$)|id$"
)
"""Names of columns that may number people or cases."""

MAIL = re.compile(r"[^@\s]+@[^@\s]+\.\w{2,}")
PHONE = re.compile(r"(\+|00)[0-9][0-9 ()./-]{6,}|\(?[0-9]{2,5}\)?([ ./-]{1,2}[0-9]{2,4}){2,}")
STREET = re.compile(
    r"(?=.*[0-9]).*(street|stra(ss|ß)e|str\.|road|avenue|\bave\b|\blane\b|\bdrive\b|\brue\b|\bcalle\b|\bvia\b)", re.I
)
CAPITALISED = re.compile(r"[^\W\d_a-z][\w'’.-]*,?( [^\W\d_a-z][\w'’.-]*){1,3}")


def named(column: str) -> str:
    """Return what a column's name says that it holds, if that names people; else ""."""
    words = _words(column)
    there = set(words)
    forms = {"".join(words), *words}
    # what is left says whose name or number it is
    others = there - A_NAME - AN_ID - A_NUMBER
    of_people = others <= PEOPLE
    numbered = there & AN_ID or (there & A_NUMBER and others - {"people"})  # a number of people is a count
    if forms & NAMES or (there & A_NAME and of_people):
        return "people's names"
    if forms & REACHED:
        return "people's addresses"
    if forms & NUMBERS or (numbered and of_people):
        return "numbers of people"
    return ""


def _words(column: str) -> list[str]:
    """Return the words of a column's name in plain letters: `Prénom`, `first_name` and `firstName` have one, two and two."""
    plain = unicodedata.normalize("NFKD", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", column)).casefold()
    return re.findall(r"[a-z]+", "".join(sign for sign in plain if not unicodedata.combining(sign)))


def valued(texts: Sequence[str]) -> str:
    """Return what values, which are no numbers, look like, if that names people; else ""."""
    for pattern, what, fewest in (
        (MAIL, "e-mail addresses", 1),
        (PHONE, "telephone or social security numbers", 1),
        (STREET, "people's addresses", 1),
        (CAPITALISED, "people's names", MANY_NAMES + 1),
    ):
        alike = sum(bool(pattern.fullmatch(text) or (pattern is STREET and pattern.match(text))) for text in texts)
        if len(texts) >= fewest and alike >= MOST * len(texts):
            return "" if all(map(DATE.fullmatch, texts)) else what
    return ""


def seen(column: str, texts: Sequence[str], *, rows: int, number: bool, own: bool) -> str:
    """Return why a column looks like a direct identifier, or "".

    texts: its different values; rows: how many have one; number: the values are numbers; own: whole ones, different in nearly every row.
    """
    if len(texts) <= FEW and rows >= ENOUGH:
        return ""
    if what := named(column):
        return f"looks by its name like {what}"
    if not number and (what := valued(texts)):
        return f"looks by its values like {what}"
    if own and NUMBERED.search(column.casefold()):
        return "looks by its name like numbers of people, with a different one in nearly every row"
    return ""
