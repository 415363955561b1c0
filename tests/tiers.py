"""The two tiers of the suite: the quick tests, and the thorough ones, which ``make test ARGS=--all`` also runs.

A test is thorough if it costs a lot and a quick test shows the same behaviour on a smaller scale: endurance, huge
sizes, many seeds, the tables of terminals and locales, tests of attacks and benchmarks. It is marked with
``@pytest.mark.thorough(REASON)``, a file by ``pytestmark``. A run that names files, ``-k`` or ``-m`` leaves out none.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# What a user or an operator sees of the real programs, and the quick test that shows it. All are in tests/end_to_end.
FEATURES = {
    "start, log in and talk": "test_plain_client.py::test_two_people_talk",
    "the screen": "test_screen_talk.py::test_three_people_talk",
    "rooms in lines": "test_rooms_in_lines.py::test_a_pipe_talks_in_its_first_room_and_hears_all",
    "rooms in JSON": "test_rooms_in_json.py::test_what_others_hear_of_a_room",
    "rooms on the screen": "test_screen_rooms.py::test_a_day_in_two_rooms",
    "resizing": "test_screen_resize.py::test_resizing_while_messages_flow",
    "pasting": "test_screen_pastes.py::test_a_short_one_is_a_draft",
    "files, images and voice notes": "test_client_transfers.py::test_all_kinds_and_sizes_are_saved",
    "private messages": "test_private.py",
    "passwords": "test_passwords.py",
    "history": "test_earlier_messages.py::test_the_screen_over_a_restart_of_the_server",
    "older messages": "test_reading_back.py",
    "searching": "test_finding.py::test_on_the_screen",
    "kept files": "test_kept_files.py",
    "devices": "test_screen_devices.py::test_two_devices_of_one_user",
    "messages that wait": "test_waiting_messages.py",
    "reconnecting": "test_reconnecting.py",
    "lines after a crash": "test_coming_back.py::test_a_killed_program_looks_up_what_it_has_said",
    "a durable server": "test_durable_server.py",
    "moderation": "test_client_moderating.py::test_a_kicked_user_goes_and_may_come_again",
    "commands of the operator": "test_operating.py",
    "accounts": "test_accounts.py::test_an_account_outlives_the_server",
    "encryption": "test_encrypted_clients.py::TestTheTerminal::test_a_key_is_shown_and_asked_about_once",
    "the original client": "test_room.py",
    "the library": "test_library.py",
    "--json": "test_json_client.py",
    "the end of a server": "test_shutdown.py::test_nobody_is_let_in_any_more",
    "several servers": "test_clients_of_a_cluster.py",
    "a balancer before them": "test_balancer.py",
    "an operator's view of them": "test_operating_a_cluster.py",
    "make cluster": "test_make_cluster.py",
    "make run": "test_make_run.py::test_one_word_ends_in_a_working_client_and_another_ends_its_server",
}

# A loaded machine is no failure, so an example may take as long as it needs; the time limit of a test still holds.
# Examples are drawn anew in each run, so many short runs find what one long run does. For a long run:
# ``make test ARGS="--hypothesis-profile=thorough"``.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
_EXAMPLES = {"quick": 20, "all": 50, "thorough": 1000}


def add_options(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="also run the thorough tests")
    for name, examples in _EXAMPLES.items():
        settings.register_profile(name, _PATIENT, max_examples=examples)


def choose(config: pytest.Config) -> None:
    """Choose the tier before anything is collected. Each worker of xdist has the same command line."""
    if not config.getoption("--hypothesis-profile"):
        settings.load_profile("all" if _runs_all(config) else "quick")


def header(config: pytest.Config) -> str:
    return f"tests: {'all' if _runs_all(config) else 'the quick ones (--all runs all)'}"


def _names_nothing(config: pytest.Config) -> bool:
    """Tell whether no file, -k or -m is named."""
    is_whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    return is_whole and not (config.option.keyword or config.option.markexpr)


def _runs_all(config: pytest.Config) -> bool:
    return config.option.all or not _names_nothing(config)


def leave_out(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the thorough tests, unless they are wanted.

    Raises:
        pytest.UsageError: a test is thorough for no reason, or the quick ones no longer show a feature.
    """
    thorough = [item for item in items if item.get_closest_marker("thorough")]
    for item in thorough:
        mark = item.get_closest_marker("thorough")
        if mark is None or len(mark.args) != 1:
            raise pytest.UsageError(f"{item.nodeid}: say why it is thorough: thorough(REASON)")
    left = set(thorough)
    quick = [item for item in items if item not in left]
    if _names_nothing(config) and not config.option.ignore:
        for feature, test in FEATURES.items():
            if not any(item.nodeid.startswith(f"tests/end_to_end/{test}") for item in quick):
                raise pytest.UsageError(f"no quick test shows {feature!r}: tests/end_to_end/{test}")
    if left and not _runs_all(config):
        config.hook.pytest_deselected(items=thorough)
        items[:] = quick


def quick_first(values: Iterable[Any], reason: str, *, quick: int = 1) -> list[Any]:
    """Make parameters of ``values``, of which all but the first ``quick`` are thorough.

    A tuple has the values for several names.
    """
    mark = pytest.mark.thorough(reason)
    found = []
    for number, value in enumerate(values):
        each = value if isinstance(value, tuple) else (value,)
        found.append(pytest.param(*each, marks=() if number < quick else mark))
    return found
