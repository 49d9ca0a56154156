"""JSON Schemas that describe a model's fields by the docstrings below them."""

import ast
import inspect
import sys
from collections import ChainMap
from functools import cache
from typing import Any

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue


class Described(BaseModel):
    """A model whose JSON Schema has the docstrings of its fields.

    They are read when a schema is made: pydantic's `use_attribute_docstrings` reads the source of
    each model at its import, which was a third of a start.
    """

    @classmethod
    def __get_pydantic_json_schema__(
        cls,
        core_schema: Any,
        handler: GetJsonSchemaHandler,
        /,
    ) -> JsonSchemaValue:
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for name, docstring in _field_docstrings(cls).items():
            field = cls.model_fields.get(name)
            if docstring and field and not field.description:
                for known in {field.alias or name, name} & properties.keys():
                    properties[known]["description"] = docstring
        return schema


def _field_docstrings(model: type[Described]) -> ChainMap[str, str | None]:
    """By field, of the class that says its type last."""
    classes = [one for one in model.__mro__ if issubclass(one, Described)]
    return ChainMap(*(_class_docstrings(one.__module__, one.__name__) for one in classes))


def _class_docstrings(module: str, name: str) -> dict[str, str | None]:
    body = _classes(module).get(name, [])
    return {
        field.target.id: _docstring(following)
        for field, following in zip(body, [*body[1:], None], strict=True)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
    }


def _docstring(statement: ast.stmt | None) -> str | None:
    match statement:
        case ast.Expr(value=ast.Constant(value=str(docstring))):
            return inspect.cleandoc(docstring)
    return None


@cache
def _classes(module: str) -> dict[str, list[ast.stmt]]:
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {node.name: node.body for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
