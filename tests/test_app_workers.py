"""The server's workers: requests that kill, block or fill them are answered, and the next ones work."""

import os
import signal
import threading
import time

import pytest

from app_engine import NonsenseEngine, broken_engine, ending_engine, fake_workers
from voiceface.app.job import Job
from voiceface.app.limits import Limits
from voiceface.app.messages import Task, Upload
from voiceface.app.refusal import Refusal
from voiceface.errors import InputError


def begin(workers, data=b"", *, name="echo", seconds=10.0, out="", file="voice.wav"):
    task = Task(
        id=os.urandom(4).hex(), name=name, arguments={"out": out}, files={"voice": [Upload(file, data)]}
    )
    job = Job(task, workers.take_place(), seconds=seconds)
    workers.submit(job)
    return job


def refused(job):
    with pytest.raises(Refusal) as caught:
        job.answer.result(timeout=20)
    return caught.value.status, str(caught.value)


@pytest.fixture(scope="module")
def workers():
    found = fake_workers(count=1, queue=4)
    yield found
    found.close()


@pytest.mark.parametrize(
    ("data", "status", "line"),
    [
        (
            b"crash",
            500,
            "voice.wav: ended the process that read it (exit code 3: a crash, or too little memory)",
        ),
        (b"hang", 504, "voice.wav: took more than 0.4 s; give a shorter recording or fewer files"),
        (b"memory", 422, "the request: needs more memory than a worker may take; give smaller files"),
        (b"bug", 500, "the request: met an unexpected fault (ZeroDivisionError: a bug)"),
        (b"bad", 422, "voice.wav: contains no sound; record it again"),
    ],
)
def test_what_goes_wrong_is_told_in_one_line_and_the_next_request_works(workers, data, status, line):
    before = workers.replaced
    found = refused(begin(workers, data, seconds=0.4))
    assert found[0] == status and found[1].startswith(line) and "\n" not in found[1]
    assert begin(workers, b"fine").answer.result(timeout=20).facts["task"] == "echo"
    assert workers.replaced - before == (data in (b"crash", b"hang"))


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP])
def test_a_worker_that_is_killed_or_stopped_in_the_middle_is_replaced_and_its_request_told(workers, blow):
    pid = begin(workers).answer.result(timeout=20).facts["pid"]
    job = begin(workers, b"wait 30", seconds=1.5)
    while job.state != "running":
        time.sleep(0.01)
    os.kill(pid, blow)
    status, line = refused(job)
    assert status == (500 if blow == signal.SIGKILL else 504) and line.startswith("voice.wav: ")
    assert begin(workers).answer.result(timeout=20).facts["pid"] != pid


def test_an_idle_worker_that_dies_is_replaced_before_anybody_notices(workers):
    pid = begin(workers).answer.result(timeout=20).facts["pid"]
    os.kill(pid, 9)
    assert begin(workers).answer.result(timeout=20).facts["pid"] != pid


def test_threads_of_a_worker_do_not_wait_busily(workers):
    assert begin(workers).answer.result(timeout=20).facts["threads_wait"] == "PASSIVE"


def test_places_are_freed_in_every_way_that_a_job_ends(workers):
    place = workers.take_place()  # an upload that never becomes a job
    place.free()
    place.free()
    first = begin(workers, b"wait 0.3")
    second, third = begin(workers), begin(workers)
    assert workers.position(third) - workers.position(second) == 1
    workers.cancel(second)
    assert second.state == "cancelled" and refused(second)[0] == 409
    third.answer.result(timeout=20)
    assert first.state == third.state == "done"
    until = time.monotonic() + 20
    while workers._places and time.monotonic() < until:
        time.sleep(0.01)
    assert workers._places == 0


def test_beyond_the_queue_is_answered_at_once(workers):
    jobs = [begin(workers, b"wait 0.2") for _ in range(5)]
    with pytest.raises(Refusal) as caught:
        workers.take_place()
    assert caught.value.status == 429 and caught.value.headers == {"Retry-After": "5"}
    for job in jobs:
        job.answer.result(timeout=20)


def test_a_clip_that_is_cancelled_stops_at_its_next_frame(workers, tmp_path):
    job = begin(workers, b"steps 1000", name="animate", seconds=60, out=str(tmp_path / "clip.mp4"))
    while job.progress == (0, 0):
        time.sleep(0.01)
    assert job.progress[1] == 1000 and job.state == "running"
    workers.cancel(job)
    assert begin(workers).answer.result(timeout=15).facts["task"] == "echo"  # 1000 frames take 20 s
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (broken_engine, "runs/mine: is neither shipped weights nor a folder"),
        (NonsenseEngine, "a worker: ended while it loaded"),
        (ending_engine, "a worker: ended while it loaded (exit code 4)"),
    ],
)
def test_models_that_cannot_be_loaded_are_told(make, line):
    workers = fake_workers(make=make)
    try:
        with pytest.raises(InputError) as told:
            workers.wait_until_ready()
        with pytest.raises(Refusal) as caught:
            workers.take_place()
        assert caught.value.status == 503 and str(caught.value) == str(told.value)
        assert str(told.value).startswith(line)
    finally:
        workers.close()


def test_who_waits_when_the_server_ends_is_told_and_no_process_stays():
    workers = fake_workers()
    pid = begin(workers).answer.result(timeout=20).facts["pid"]
    jobs = [begin(workers, b"hang"), begin(workers)]
    closing = threading.Thread(target=workers.close)
    closing.start()
    assert [refused(job)[0] for job in jobs] == [503, 503]
    closing.join(20)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(Refusal):
        workers.take_place()


@pytest.mark.parametrize(
    ("limits", "line"),
    [
        ({"queue": -1}, "--queue: is -1; give 0 or more"),
        ({"megapixels": 0}, "--megapixels: is 0; give more than 0"),
        ({"worker_gigabytes": 0.5}, "--worker-gigabytes: is 0.5; give 1 or more"),
        ({"clip_seconds": float("nan")}, "--clip-seconds: is nan; give more than 0"),
    ],
)
def test_limits_that_cannot_be_are_refused(limits, line):
    with pytest.raises(InputError) as caught:
        Limits(**limits)
    assert str(caught.value) == line
