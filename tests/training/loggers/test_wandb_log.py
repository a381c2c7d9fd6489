import http.server
import json
import random
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import wandb
from hydra.utils import instantiate
from offline_wandb import read_run
from omegaconf import OmegaConf

from seesaw.training.loggers.guarded import Guarded
from seesaw.training.loggers.tracker import RunInfo
from seesaw.training.loggers.wandb_log import WandbLog

CONF = Path(__file__).parents[3] / "conf" / "logger"


@pytest.fixture(autouse=True)
def no_account(monkeypatch, tmp_path):
    for name in (
        "WANDB_API_KEY",
        "WANDB_MODE",
        "WANDB_BASE_URL",
        "WANDB_RUN_ID",
        "WANDB_IDENTITY_TOKEN_FILE",
        "WANDB_PROJECT",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    yield
    wandb.teardown()  # W&B reads the environment once a process


def start(folder, resume=False, config=None, **options):
    return WandbLog(RunInfo(folder, "dcgan digits", config or {"seed": 3, "model": {"z_dim": 8}}, resume), **options)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One offline run, and the picture that it was given."""
    folder = tmp_path_factory.mktemp("run")
    picture = torch.randint(0, 256, (3, 20, 30), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_MODE", "offline")
        log = start(folder, tags=["a", "b"], group="sweep")
        for step in range(0, 5000, 1000):
            log.log_metrics({"train/loss/D": step / 7, "train/D/accuracy": 0.5}, step)
            if step % 2000 == 0:
                log.log_picture("samples/ema", picture, step)
                log.log_picture("samples/grey", picture[:1], step)
        log.summarise({"best/frechet_digits": 3.5, "last/frechet_digits": 4.0})
        log.finish(0)
    return log, folder, picture


def test_offline_run_reads_back(finished):
    log, folder, _ = finished
    run = read_run(folder)
    assert run.facts == {
        "id": log.run_id,
        "project": "seesaw",
        "name": "dcgan digits",
        "group": "sweep",
        "tags": ["seed=3", "a", "b"],
        "job_type": "train",
    }
    assert run.axes["*"] == "kimg"
    assert run.config["seed"] == 3
    assert run.config["model"] == {"z_dim": 8}
    assert set(run.config["provenance"]) == {"git", "versions"}
    assert run.summary["best/frechet_digits"] == 3.5
    assert run.summary["last/frechet_digits"] == 4.0
    assert run.exit_code == 0
    losses = [(row["kimg"], row["train/loss/D"]) for row in run.history if "train/loss/D" in row]
    assert losses == [(k, pytest.approx(k * 1000 / 7)) for k in (0, 1, 2, 3, 4)]
    kimg = [row["kimg"] for row in run.history]
    assert kimg == sorted(kimg)


def test_pictures_keep_their_pixels(finished):
    _, folder, picture = finished
    pictures = read_run(folder).pictures
    assert [kimg for kimg, _ in pictures["samples/ema"]] == [0, 2, 4]
    for _, pixels in pictures["samples/ema"]:
        assert np.array_equal(pixels, picture.permute(1, 2, 0).numpy())
    assert np.array_equal(pictures["samples/grey"][0][1], picture[0].numpy())


def test_everything_lies_in_the_run_folder(finished):
    log, folder, _ = finished
    assert {p.name for p in folder.iterdir()} == {"wandb"}
    assert (folder / "wandb" / "id").read_text().strip() == log.run_id
    assert log.run_id.startswith("dcgan-digits-")


def test_resume_goes_on_under_the_same_id_and_a_new_start_does_not(tmp_path, capfd):
    ids = []
    for resume in (False, True, False):
        time.sleep(1.1 if ids else 0)  # W&B names its folders by the second
        log = start(tmp_path, resume)
        log.log_metrics({"a": 1.0}, 1000)
        log.finish(143)
        ids.append(log.run_id)
    runs = [read_run(p) for p in sorted((tmp_path / "wandb").glob("offline-run-*"))]
    assert [run.facts["id"] for run in runs] == ids
    assert ids[0] == ids[1] != ids[2]
    assert [run.exit_code for run in runs] == [143] * 3
    out, err = capfd.readouterr()
    assert len(out.splitlines()) == 3
    assert all("wandb leet" in line and "wandb sync" in line for line in out.splitlines())
    assert err == ""


def test_the_configuration_goes_before_what_the_run_gives(tmp_path, monkeypatch):
    """A name of 200 characters keeps both its ends, a tag of 100 too: W&B refuses more than 128 and 64."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    long = "a=1 " + "b" * 192 + " c=3"
    derived = RunInfo(
        tmp_path / "a", long, group="sweep-1", choices={"model": "mlp", "loss": "x" * 94 + "y"}, kind="search"
    )
    explicit = RunInfo(tmp_path / "b", "name", group="sweep-1", choices={"model": "mlp"})
    logs = [WandbLog(derived), WandbLog(explicit, group="mine", tags=["model=mlp", "mine"], job_type="study")]
    for log in logs:
        log.log_metrics({"a": 1.0}, 1000)
        log.finish(0)
    one, other = (read_run(tmp_path / name).facts for name in "ab")
    assert (one["group"], one["job_type"]) == ("sweep-1", "search")
    assert len(one["name"]) == 127
    assert one["name"].startswith("a=1 b")
    assert one["name"].endswith("b c=3")
    assert one["tags"][0] == "model=mlp"
    assert one["tags"][1][-2:] == "xy"
    assert (other["group"], other["job_type"], other["tags"]) == ("mine", "study", ["model=mlp", "mine"])


def test_variables_stand_between_the_configuration_and_the_run(tmp_path, monkeypatch):
    variables = {
        "PROJECT": "mine",
        "NAME": "named",
        "RUN_GROUP": "grouped",
        "TAGS": "a,,b",
        "JOB_TYPE": "study",
        "RUN_ID": "x1",
    }
    for name, value in variables.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    info = RunInfo(tmp_path, "run", group="same", choices={"model": "mlp"})
    log = WandbLog(info)
    assert (log.project, log.shown_name, log.group, log.job_type, log.run_id) == (
        "mine",
        "named",
        "grouped",
        "study",
        "x1",
    )
    assert log.tags == ["model=mlp", "a", "b"]
    given = WandbLog(info, project="p", name="n", group="g", tags=["t", "", " "], job_type="j", id="i")
    assert (given.project, given.shown_name, given.group, given.job_type, given.run_id) == ("p", "n", "g", "j", "i")
    assert given.tags == ["model=mlp", "t"]


def test_what_wandb_itself_reads_of_the_environment_is_mended_or_named(tmp_path, monkeypatch, capsys):
    """An empty tag (a comma too many) or a long one would cost the run its tracker; what cannot be mended is named."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    for name, given in (("own", ()), ("both", ["mine"])):
        monkeypatch.setenv("WANDB_TAGS", f" a,,b,{'x' * 70},")
        log = WandbLog(RunInfo(tmp_path / name, "run"), tags=given)
        log.log_metrics({"a": 1.0}, 1000)
        log.finish(0)
    assert read_run(tmp_path / "own").facts["tags"] == ["a", "b", f"{'x' * 31}…{'x' * 31}"]
    assert read_run(tmp_path / "both").facts["tags"] == ["mine"]
    monkeypatch.setenv("WANDB_MODE", "nowhere")
    log = Guarded(WandbLog(RunInfo(tmp_path / "c", "run")))
    log.log_metrics({"a": 1.0}, 1000)
    log.finish(0)
    err = capsys.readouterr().err
    assert err.startswith("W&B failed (ValidationError: mode: Input should be 'online', 'offline', ")
    assert len(err.splitlines()) == 1


def test_jobs_of_a_sweep_do_not_share_the_id_and_name_of_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_RUN_ID", "x1")
    monkeypatch.setenv("WANDB_NAME", "named")
    jobs = [WandbLog(RunInfo(tmp_path / str(k), f"seed={k}", of_sweep=True)) for k in (1, 2)]
    assert [job.shown_name for job in jobs] == ["seed=1", "seed=2"]
    assert len({"x1", *(job.run_id for job in jobs)}) == 3


def test_two_runs_of_one_process_stay_apart(tmp_path):
    logs = [start(tmp_path / name) for name in "ab"]
    for i, log in enumerate(logs):  # the first is not finished when the second starts
        log.log_metrics({"a": float(i)}, 1000)
    for log in logs:
        log.finish(0)
    runs = [read_run(tmp_path / name) for name in "ab"]
    assert [[row["a"] for row in run.history] for run in runs] == [[0.0], [1.0]]
    assert runs[0].facts["id"] != runs[1].facts["id"]


def test_random_generators_are_left_alone(tmp_path):
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    before = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    log = start(tmp_path)
    log.log_metrics({"a": 1.0}, 1)
    log.log_picture("p", torch.zeros(3, 4, 4, dtype=torch.uint8), 1)
    log.finish(0)
    assert random.getstate() == before[0]
    assert np.array_equal(np.random.get_state()[1], before[1])
    assert torch.equal(torch.get_rng_state(), before[2])


def test_a_refused_network_falls_back(tmp_path, monkeypatch, capfd):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    log = start(tmp_path, init_timeout=3, finish_timeout=3)
    began = time.monotonic()
    log.log_metrics({"a": 1.0}, 1000)
    assert 2 < time.monotonic() - began < 8
    log.finish(0)
    assert time.monotonic() - began < 10
    run = read_run(tmp_path)  # one folder: the failed attempt left none
    assert [row["a"] for row in run.history] == [1.0]
    out, err = capfd.readouterr()
    assert err.count("\n") == 1
    assert "no connection" in err
    assert "wandb sync" in out


@pytest.mark.slow
def test_the_defaults_keep_the_promise_of_40_seconds(tmp_path, monkeypatch):
    with socket.socket() as silent:  # accepts and never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        log = instantiate(OmegaConf.load(CONF / "wandb.yaml").wandb, _convert_="all")(RunInfo(tmp_path, "run"))
        began = time.monotonic()
        log.log_metrics({"a": 1.0}, 1000)
        assert 25 < time.monotonic() - began < 40
        log.finish(0)


class _Server(http.server.BaseHTTPRequestHandler):
    """Lets a run start, as W&B's server does; then goes away: `server.down`."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "{}")
        if self.server.down:
            self.close_connection = True
            return
        name = body.get("variables", {}).get("name")
        project = {"id": "p", "name": "seesaw", "entity": {"id": "e", "name": "me"}}
        bucket = {
            "id": "x",
            "name": name,
            "displayName": "x",
            "config": "{}",
            "historyLineCount": 0,
            "project": project,
        }
        data = {"upsertBucket": {"bucket": bucket, "inserted": True}, "model": None, "serverInfo": {}}
        answer = json.dumps({"data": data}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_PATCH = do_PUT = do_POST

    def log_message(self, *args):
        pass


def test_the_end_is_bounded_when_the_server_is_gone(tmp_path, monkeypatch, capfd):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    server.down = False
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    log = start(tmp_path, init_timeout=5, finish_timeout=3)
    log.log_metrics({"a": 1.0}, 1000)
    assert not log.experiment.offline
    server.down = True
    began = time.monotonic()
    log.log_metrics({"a": 2.0}, 2000)
    assert time.monotonic() - began < 0.5
    log.finish(0)
    assert 2 < time.monotonic() - began < 8
    server.shutdown()
    assert "wandb sync --include-online" in capfd.readouterr().out


def test_key_decides_and_the_environment_wins(tmp_path, monkeypatch):
    from seesaw.training.loggers.wandb_log import has_key

    base = "https://example.org:1234"
    assert not has_key(base)
    (tmp_path / "netrc").write_text("machine example.org:1234 login user password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert has_key(base)
    assert not has_key("https://other.org")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    assert has_key("https://other.org")
    monkeypatch.setenv("WANDB_MODE", "offline")
    log = start(tmp_path / "run")
    log.log_metrics({"a": 1.0}, 1)
    assert log.experiment.offline
    log.finish(0)
