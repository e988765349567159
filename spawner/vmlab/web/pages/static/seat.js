// One server of a person's, as the board and the list of people call it. Values in, values out.

/** @import { Seat } from "../types" */

/** What distinguishes it from all others. @param {Pick<Seat, "user" | "server">} seat */
export const keyOf = ({ user, server }) => JSON.stringify([user, server]);

/** What it is called. @param {Pick<Seat, "user" | "server">} seat */
export const nameOf = ({ user, server }) => (server ? `${user} / ${server}` : user);

/** The hub's address of it, below `api/`. @param {Pick<Seat, "user" | "server">} seat */
export function serverPath({ user, server }) {
  const path = `users/${encodeURIComponent(user)}`;
  return server ? `${path}/servers/${encodeURIComponent(server)}` : `${path}/server`;
}
