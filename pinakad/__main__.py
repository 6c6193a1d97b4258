"""The program `pinakad`: the daemon in the foreground, and the two programs of root's side that systemd's units run.

The units name them by these words, whatever the modules are called: an upgrade may move a module, a unit that was
installed before it must still work.
"""

import sys

RUN_SCRIPT = "run-script"
LAUNCH_SERVICE = "launch-service"


def main() -> None:
    """Run what the command line names, and end the process with its exit code."""
    match sys.argv[1:]:
        case [word, *words] if word == RUN_SCRIPT:
            from pinakad.script import unit  # noqa: PLC0415 - each program pays for its own imports only

            sys.exit(unit.main(words))
        case [word] if word == LAUNCH_SERVICE:
            from pinakad.script import launch_service  # noqa: PLC0415 - the same

            sys.exit(launch_service.main())
        case _:
            _run_daemon()


def _run_daemon() -> None:
    from pinakad.daemon.options import parser  # noqa: PLC0415 - the same

    words = parser().parse_args()
    if not words.check:
        from pinakad.script.bundle import program_compiled  # noqa: PLC0415 - the same

        program_compiled()  # now: an upgrade may change the file; and all that is imported later reuses its memory
    from pinakad.daemon import startup  # noqa: PLC0415 - --help and --version need none of it

    sys.exit(startup.check(words.config) if words.check else startup.main(words.config, words.runner))


if __name__ == "__main__":
    main()
