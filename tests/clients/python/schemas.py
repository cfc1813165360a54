"""What OpenAI's strict mode and Gemini take as the schema of a tool's arguments.

The converters are of the frameworks; here is only what the two vendors document, to hold their output against.
"""

from typing import Any

# Of what JSON Schema has, what a function declaration of Gemini knows.
GEMINI = {
    "anyOf", "default", "description", "enum", "example", "format", "items", "maxItems", "maxLength", "maxProperties", "maximum",
    "minItems", "minLength", "minProperties", "minimum", "nullable", "pattern", "properties", "propertyOrdering", "required",
    "title", "type",
}  # fmt: skip
# Beside these, what it leaves unread where it is given JSON Schema.
GEMINI_JSON_SCHEMA = GEMINI | {"$anchor", "$defs", "$id", "$ref", "additionalProperties", "oneOf", "prefixItems"}
# What strict mode refuses: an object that is open, a combinator other than `anyOf`, and limits of length.
NOT_STRICT = {"allOf", "default", "dependentRequired", "if", "maxLength", "maxProperties", "minLength", "not", "oneOf", "patternProperties"}


def schemas_in(schema: dict[str, Any], path: str = "") -> list[tuple[str, dict[str, Any]]]:
    """The schema and all in it, each with where it is."""
    found = [(path, schema)]
    for name, one in (schema.get("properties") or {}).items():
        found += schemas_in(one, f"{path}/{name}")
    for one in schema.get("anyOf") or []:
        found += schemas_in(one, f"{path}/anyOf")
    if isinstance(schema.get("items"), dict):
        found += schemas_in(schema["items"], f"{path}/items")
    return found


def not_strict(schema: dict[str, Any]) -> list[str]:
    """Where OpenAI's strict mode refuses it."""
    faults = []
    for path, one in schemas_in(schema):
        types = one["type"] if isinstance(one.get("type"), list) else [one.get("type")]
        if "object" in types:
            if one.get("additionalProperties") is not False:
                faults.append(f"{path}: open")
            if sorted(one.get("required", [])) != sorted(one.get("properties", {})):
                faults.append(f"{path}: not everything is required")
        faults += [f"{path}: {key}" for key in one if key in NOT_STRICT]
    return faults


def not_for_gemini(schema: dict[str, Any], known: set[str] = GEMINI) -> list[str]:
    """Where a function declaration of Gemini does not know a keyword, or an enum that is not of texts."""
    faults = []
    for path, one in schemas_in(schema):
        faults += [f"{path}: {key}" for key, value in one.items() if key not in known and value is not None]
        if one.get("enum") and not all(isinstance(value, str) for value in one["enum"]):
            faults.append(f"{path}: enum")
        if str(one.get("type")).lower() == "array" and not one.get("items"):
            faults.append(f"{path}: no items")
    return faults


def arguments_of(schema: dict[str, Any]) -> list[str]:
    """The names of the arguments."""
    return sorted(schema.get("properties") or {})
