"""Judge the recording of a run. Pure: it talks to nobody, and has no clock."""

from __future__ import annotations

from tests.cluster.fence_checks import faults_of_fences
from tests.cluster.line_checks import faults_of_lines, faults_of_stored
from tests.cluster.log_checks import faults_of_live_numbers, faults_of_numbers, faults_of_views
from tests.cluster.order_checks import (
    faults_of_answers,
    faults_of_guest_names,
    faults_of_sending_order,
)
from tests.cluster.people_checks import (
    faults_of_memberships,
    faults_of_people,
    faults_of_privacy,
    faults_of_silenced,
)
from tests.cluster.recording import Recording

_CHECKS = (
    faults_of_numbers,
    faults_of_live_numbers,
    faults_of_views,
    faults_of_stored,
    faults_of_lines,
    faults_of_answers,
    faults_of_sending_order,
    faults_of_guest_names,
    faults_of_people,
    faults_of_memberships,
    faults_of_silenced,
    faults_of_privacy,
    faults_of_fences,
)


def faults(recording: Recording) -> list[str]:
    """Describe everything that is wrong; nothing if the run is as it must be."""
    found = list(recording.complaints)
    for check in _CHECKS:
        found += check(recording)
    return found
