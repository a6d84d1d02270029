"""Parse XML from anywhere: entities are refused and nothing outside of the file is loaded."""

from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

import defusedxml.ElementTree
from defusedxml import DefusedXmlException

from checkpointing.errors import InputError
from checkpointing.regular_files import open_regular_file


def elements(path: Path, event: str = "end") -> Iterator[Element]:
    """Yield the elements of a file as they end, or as they begin. What was yielded may be cleared to free memory.

    Raises:
        InputError: it is not well-formed, or defines entities.
        OSError: it cannot be read.
    """
    with open_regular_file(path) as file:
        try:
            for _, element in defusedxml.ElementTree.iterparse(file, events=(event,)):
                yield element
        except ParseError as error:
            line, column = error.position
            raise InputError(f"{path} is not well-formed XML (line {line}, column {column + 1})") from None
        except DefusedXmlException:
            raise InputError(f"{path} defines XML entities or loads other files", hint="remove its DTD") from None
        except (LookupError, ValueError) as error:
            raise InputError(f"{path} is not well-formed XML ({error})") from None


def root_name(path: Path) -> str:
    """Return the name of the outermost element, without its namespace.

    Raises:
        InputError: the file does not begin as XML.
        OSError: it cannot be read.
    """
    for element in elements(path, "start"):
        return local_name(element)
    raise InputError(f"{path} is not well-formed XML (it is empty)")


def local_name(element: Element) -> str:
    """Return the name of an element without its namespace."""
    return str(element.tag).rpartition("}")[2]


def children(element: Element, *names: str) -> Iterator[Element]:
    """Yield the direct children that have one of some names, in any namespace."""
    return (child for child in element if local_name(child) in names)


def descendants(element: Element, *names: str) -> Iterator[Element]:
    """Yield what is inside of an element and has one of some names, in the order of the file."""
    return (each for each in element.iter() if each is not element and local_name(each) in names)
