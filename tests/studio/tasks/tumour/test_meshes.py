"""Surfaces in mm: where they lie, how large they are, which side is out, how many triangles."""

from __future__ import annotations

import gzip
import math

import numpy as np
import pytest

from mckd.studio.tasks.tumour.meshes import Mesh, area_mm2, blurred, pack, shares_of, surfaces


def ball(
    shape: tuple[int, int, int], centre: tuple[float, ...], radius_mm: float, spacing=(1, 1, 1)
):
    """Voxels whose centre is within a ball; the centre in mm."""
    away = sum(
        (np.arange(n).reshape([-1 if a == axis else 1 for a in range(3)]) * mm - c) ** 2
        for axis, (n, mm, c) in enumerate(zip(shape, spacing, centre, strict=True))
    )
    return away <= radius_mm**2


def volume_ml(mesh: Mesh) -> float:
    """Of a closed surface, above 0 if its triangles are anticlockwise as seen from outside."""
    a, b, c = (mesh.corners[mesh.triangles[:, k]].astype(float) for k in range(3))
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6 / 1000)


def edges(mesh: Mesh) -> list[tuple[int, int]]:
    a, b, c = mesh.triangles.T
    return [*zip(a, b, strict=True), *zip(b, c, strict=True), *zip(c, a, strict=True)]


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.0, 0.5, 2.0)])
def test_a_ball_is_where_it_was_and_as_large(spacing: tuple[float, float, float]) -> None:
    centre, radius = (30.0, 22.0, 26.0), 16.0
    shape = tuple(int(60 / mm) for mm in spacing)
    made = surfaces({"ball": (ball(shape, centre, radius, spacing), 0.5)}, spacing)["ball"]
    middle = (made.corners.min(0) + made.corners.max(0)) / 2
    assert middle == pytest.approx(centre, abs=0.3)
    assert made.corners.max(0) - made.corners.min(0) == pytest.approx(2 * radius, rel=0.06)
    assert volume_ml(made) == pytest.approx(4 / 3 * math.pi * 16**3 / 1000, rel=0.05)


def test_it_is_closed_and_every_edge_has_a_neighbour_the_other_way_round() -> None:
    made = surfaces({"ball": (ball((20, 20, 20), (9, 9, 9), 6), 0.5)}, (1, 1, 1))["ball"]
    found = edges(made)
    assert len({*found}) == len(found)
    assert {*found} == {(b, a) for a, b in found}


def test_a_region_at_the_border_is_closed_too_and_its_axes_are_kept() -> None:
    inside = np.zeros((9, 12, 15), bool)
    inside[0:3, 5:12, 6:8] = True
    made = surfaces({"part": (inside, 0.5)}, (1, 1, 1))["part"]
    assert {*edges(made)} == {(b, a) for a, b in edges(made)}
    size = made.corners.max(0) - made.corners.min(0)
    assert [*np.argsort(size)] == [2, 0, 1]
    assert (made.corners.min(0) + made.corners.max(0)) / 2 == pytest.approx([1, 8, 6.5], abs=0.1)


def test_of_equal_regions_the_lower_level_lies_outside() -> None:
    inside = ball((24, 24, 24), (12, 12, 12), 7)
    made = surfaces({"inner": (inside, 0.55), "outer": (inside, 0.4)}, (1, 1, 1))
    away = {name: np.linalg.norm(mesh.corners - 12, axis=1) for name, mesh in made.items()}
    assert away["outer"].mean() > away["inner"].mean() + 0.1
    assert volume_ml(made["outer"]) > volume_ml(made["inner"])


@pytest.mark.parametrize("most", [300, 3000])
def test_there_are_no_more_triangles_than_allowed(most: int) -> None:
    noise = np.random.default_rng(0).random((40, 40, 40)) > 0.5
    regions = {"noise": (noise, 0.5), "ball": (ball((40, 40, 40), (20, 20, 20), 18), 0.5)}
    made = surfaces(regions, (1, 1, 1), most)
    assert all(0 < len(mesh.triangles) <= most for mesh in made.values())


def test_a_single_voxel_is_seen_and_an_empty_region_has_no_surface() -> None:
    one, none = np.zeros((2, 30, 30, 30), bool)
    one[20, 3, 28] = True
    made = surfaces({"one": (one, 0.55), "none": (none, 0.4)}, (1, 1, 1))
    assert [*made] == ["one"]
    assert made["one"].corners.mean(0) == pytest.approx([20, 3, 28], abs=0.01)
    assert surfaces({"none": (none, 0.5)}, (1, 1, 1)) == {}


def test_the_area_counts_the_faces_of_voxels() -> None:
    inside = np.zeros((4, 4, 4), bool)
    inside[1:3, 1, 1] = True  # two voxels in a row: faces of 2 by 3, 1 by 3 and 1 by 2 mm
    assert area_mm2(inside, (1, 2, 3)) == 2 * 6 + 4 * 3 + 4 * 2


def test_shares_are_worked_out_by_hand() -> None:
    inside = np.zeros((3, 2, 2), bool)
    inside[0] = True
    inside[2, 0, 0] = True
    shares = shares_of(inside, np.array([2, 2, 1]))
    assert shares.tolist() == [[[0.5, 0.5]], [[0.25, 0.0]]]  # beyond the array nothing is inside
    line = np.zeros((1, 1, 5), np.float32)
    line[0, 0, 2] = 1
    assert blurred(np.pad(line, 2))[2, 2, 2:7].tolist() == [0, 0.0625, 0.125, 0.0625, 0]


def test_it_travels_in_64ths_of_a_millimetre() -> None:
    corners = np.array([[0, 0.5, -2], [511, 1 / 64, 3]], np.float32)
    sent = gzip.decompress(pack(Mesh(corners, np.array([[0, 1, 0]]))))
    assert np.frombuffer(sent, "<u4", 2).tolist() == [2, 1]
    assert np.frombuffer(sent, "<i2", 6, 8).tolist() == [0, 32, -128, 32704, 1, 192]
    assert np.frombuffer(sent, "<u2", 3, 20).tolist() == [0, 1, 0]
    assert len(sent) == 26
