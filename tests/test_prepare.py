"""What a profile names is made available beforehand; what cannot be is listed."""

from __future__ import annotations

from helpers import prepare
from helpers.config.profile import load_profile
from helpers.core.errors import LabError


def test_prepare_reports_and_exits_with_an_error(private, monkeypatch, capsys):
    assert prepare.main(["--profile", "nothing"]) == 1
    assert "There is no profile 'nothing'" in capsys.readouterr().err


def test_prepare_asks_for_every_network_that_a_profile_names(private, monkeypatch):
    profile = load_profile("paper")
    asked = []
    monkeypatch.setattr(prepare, "ensure_available", lambda *_: (_ for _ in ()).throw(
        LabError("absent", expected="files", remedy="none here")))
    monkeypatch.setattr(prepare, "weights_file", lambda entry, data, seed: asked.append(entry.name))
    monkeypatch.setattr(prepare, "readout_file", lambda entry, data: None)
    monkeypatch.setattr(prepare, "text_files", lambda entry, data, seed: None)
    prepare.prepare(profile, private / "data")
    assert len(asked) == len(set(asked))
    assert {profile.networks.main, profile.encoding.face_network, profile.finetuning.network,
            profile.finetuning.untrained, profile.decoding.network} <= set(asked)
