"""The hub's own calls that change accounts: refused, with what to do instead.

Names and roles are lab.toml's: passwords, machines, volumes and progress depend on them, and each
start of the hub sets them again (docs/decisions/0021). Changes made through JupyterHub's API
until then would leave an account without a password, or two with one machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

from jupyterhub.apihandlers.groups import GroupAPIHandler, GroupUsersAPIHandler
from jupyterhub.apihandlers.users import UserAPIHandler, UserListAPIHandler
from jupyterhub.scopes import needs_scope
from tornado import web

from vmlab.lab.lab import Role

_ADD: Final = (
    "accounts are made from lab.toml, and {names} is not in it: add the name to [accounts] there, "
    "run `vmlab up` again (machines keep running) and hand out the password that "
    "`vmlab accounts` prints"
)
_RENAME: Final = (
    "{name} cannot be renamed: the password, the machine, the files and the progress belong to "
    "that name. To use another name, add it to [accounts] in lab.toml, run `vmlab up` again, and "
    "move the files: `vmlab volume export {name} FILE`, `vmlab volume import FILE NEW_NAME`"
)
_DELETE: Final = (
    "{name} is in lab.toml: take the name out of [accounts] there and run `vmlab up` again; then "
    "nobody can log in with it. `vmlab volume delete {name}` removes the files"
)
_RUNNING: Final = "the machine of {name} is running: stop it first"
_ROLE: Final = (
    "roles are set in lab.toml: move {names} to another list of [accounts] there and run "
    "`vmlab up` again (machines keep running)"
)


F = TypeVar("F", bound=Callable[..., Any])


def _needs(scope: str) -> Callable[[F], F]:
    """Check rights before anything is told; jupyterhub's decorator, which has no types."""
    return cast("Callable[[F], F]", needs_scope(scope))


class UsersHandler(UserListAPIHandler):  # type: ignore[misc]  # jupyterhub has no types
    """Users: only those of lab.toml can be made."""

    @_needs("admin:users")
    async def post(self) -> None:
        """Refuse names that lab.toml does not have."""
        body = self.get_json_body()
        names = body.get("usernames") if isinstance(body, dict) else None
        _refuse_unlisted(self, names if isinstance(names, list) else [])
        await super().post()


class UserHandler(UserAPIHandler):  # type: ignore[misc]  # jupyterhub has no types
    """One user: neither made nor renamed nor deleted nor given another role."""

    def get_json_body(self) -> Any:
        """Return the body without a name that is the user's own: JupyterHub 6.1 sets it to NULL."""
        body = super().get_json_body()
        if isinstance(body, dict) and body.get("name") == self.path_args[0]:
            del body["name"]
        return body

    @_needs("admin:users")
    async def post(self, user_name: str) -> None:
        """Refuse a name that lab.toml does not have."""
        _refuse_unlisted(self, [user_name])
        await super().post(user_name)

    @_needs("delete:users")
    async def delete(self, user_name: str) -> None:
        """Refuse to delete who is in lab.toml, or whose machine runs."""
        user = self.find_user(user_name)
        if user is not None and user.name in self.authenticator.allowed_users:
            raise web.HTTPError(409, _DELETE.format(name=user.name))
        if user is not None and any(spawner.active for spawner in user.spawners.values()):
            raise web.HTTPError(409, _RUNNING.format(name=user.name))
        await super().delete(user_name)

    @_needs("admin:users")
    async def patch(self, user_name: str) -> None:
        """Refuse another name, and another role."""
        user, body = self.find_user(user_name), self.get_json_body()
        if user is not None and isinstance(body, dict):
            if "name" in body:
                raise web.HTTPError(409, _RENAME.format(name=user.name))
            if body.get("admin", user.admin) != user.admin:
                raise web.HTTPError(409, _ROLE.format(names=user.name))
        await super().patch(user_name)


class RoleGroupHandler(GroupAPIHandler):  # type: ignore[misc]  # jupyterhub has no types
    """The group of a role of lab.toml: it stays."""

    @_needs("delete:groups")
    def delete(self, group_name: str) -> None:
        """Refuse."""
        raise web.HTTPError(409, _ROLE.format(names=f"the {group_name}"))


class RoleMembersHandler(GroupUsersAPIHandler):  # type: ignore[misc]  # jupyterhub has no types
    """Who is in the group of a role of lab.toml."""

    @_needs("groups")
    def post(self, group_name: str) -> None:
        """Refuse."""
        _refuse_members(self, group_name)

    @_needs("groups")
    async def delete(self, group_name: str) -> None:
        """Refuse."""
        _refuse_members(self, group_name)


_ROLE_GROUP: Final = "|".join(Role)

ACCOUNT_HANDLERS: Final = (
    (r"/api/users", UsersHandler),
    (r"/api/users/([^/]+)", UserHandler),
    (rf"/api/groups/({_ROLE_GROUP})", RoleGroupHandler),
    (rf"/api/groups/({_ROLE_GROUP})/users", RoleMembersHandler),
)


def _refuse_unlisted(handler: Any, names: list[Any]) -> None:
    authenticator = handler.authenticator
    unlisted = [name for name in map(str, names) if name not in authenticator.allowed_users]
    if unlisted and not authenticator.allow_all:
        raise web.HTTPError(409, _ADD.format(names=_shown(unlisted)))


def _refuse_members(handler: Any, group: str) -> None:
    body = handler.get_json_body()
    names = body.get("users") if isinstance(body, dict) else None
    raise web.HTTPError(409, _ROLE.format(names=_shown(names or [f"the {group}"])))


def _shown(names: list[Any]) -> str:
    return ", ".join(str(name)[:40] for name in names[:10])
