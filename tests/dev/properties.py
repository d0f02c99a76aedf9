# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prints the own properties of the elements given, each with its default as README.md writes it."""

import json
import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GObject, Gst  # noqa: E402


FOREVER = 2**64 - 1


def default_text(name, pspec, element):
    value = element.get_property(pspec.name)
    if value is None:
        return "unset"
    if isinstance(value, Gst.Caps):
        return value.to_string().replace("(string)", "")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, GObject.GEnum):
        return value.value_nick
    if isinstance(value, Gst.Structure):
        names = [value.nth_field_name(i) for i in range(value.n_fields())]
        return "all 0" if not any(value.get_value(name) for name in names) else str(value)
    if value == FOREVER:
        return "-1"
    return f"{value:04o}" if name == "perms" else str(value)


def properties(factory):
    element = Gst.ElementFactory.make(factory)
    own = [p for p in element.list_properties() if p.owner_type == element.__gtype__]
    return {pspec.name: default_text(pspec.name, pspec, element) for pspec in own}


Gst.init(None)
print(json.dumps({factory: properties(factory) for factory in sys.argv[1:]}))
