"""The texts of the front door's manual page that belong to no option and no path."""

PINAKAD_WEB = """\
`pinakad-web` lets operators do in a browser, and programs over HTTP, what `pinakactl apply`, `retry`, `cancel`,
`retire`, `validate`, `history` and `show` do. It is a process of its own, without rights and without the SSH key: one
more producer of node files and requests. It holds no state. The daemon does not need it.

systemd(1) starts it when somebody connects to pinakad-web.socket, and it ends after a minute without a connection.
`pinakactl setup --web` installs it, makes the token, and `pinakactl web url` prints the address to open.

\b
  curl --unix-socket /run/pinakad-web/http.sock http://localhost/api/v1/status.txt
  curl -H "Authorization: Bearer $(sudo pinakactl web token)" http://localhost:7425/api/v1/status
  ssh -L 7425:/run/pinakad-web/http.sock CONTROLLER      then http://localhost:7425/ on your own desk

Who gets in: over the unix socket whoever may open it (root and the group pinakasupport); over TCP whoever has the
token, because every user of the machine shares the loopback.
"""

INTERFACE = """\
Documents are JSON, refusals are problem documents (RFC 9457) with `error` for programs and `message` for people.
`/api/v1/openapi.json` describes all of it.
"""

SECTIONS = {
    "Files": (
        ("/run/pinakad-web/http.sock", "The unix socket, mode 0660, group pinakasupport."),
        ("/etc/pinakad/web-token", "The token; [web] token is another place."),
        ("/etc/pinakad/pinakad.toml", "The tables [web] and [web.compat], see pinakad.toml(5)."),
        ("/etc/pinakad/pinakad-web.nginx.example", "An example for a reverse proxy."),
    ),
    "Exit status": (
        ("0", "Ended by a signal, or nobody called for a minute."),
        ("78", "The configuration or an address cannot be used; the log says which, and why."),
    ),
}
