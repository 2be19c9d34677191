"""The sets that can be imported, with what their authors say of scale and licence."""

from __future__ import annotations

from ...errors import SettingsError
from ...tasks import GLANDS, NUCLEI
from .mask_sets import find_crag, find_glas, find_monuseg, find_nucls, find_nuinsseg, find_tnbc
from .published_set import PublishedSet
from .typed_sets import find_conic, find_consep, find_lizard, find_pannuke

_NC_SA = "CC BY-NC-SA 4.0"
_RESEARCH = "research only"

SETS = (
    PublishedSet(
        key="glas",
        title="GlaS",
        cite="Sirinukunwattana et al. 2017, Med Image Anal 35:489",
        licence=_RESEARCH,
        weights_may_be_shared=False,
        pixel_size_um=0.62,
        task=GLANDS,
        find=find_glas,
    ),
    PublishedSet(
        key="crag",
        title="CRAG",
        cite="Graham et al. 2019, Med Image Anal 52:199",
        licence=_RESEARCH,
        weights_may_be_shared=False,
        pixel_size_um=0.5,
        task=GLANDS,
        find=find_crag,
    ),
    PublishedSet(
        key="monuseg",
        title="MoNuSeg",
        cite="Kumar et al. 2020, IEEE TMI 39:1380",
        licence=_NC_SA,
        weights_may_be_shared=False,
        pixel_size_um=0.25,
        task=NUCLEI,
        find=find_monuseg,
    ),
    PublishedSet(
        key="kumar",
        title="Kumar",
        cite="Kumar et al. 2017, IEEE TMI 36:1550",
        licence=_NC_SA,
        weights_may_be_shared=False,
        pixel_size_um=0.25,
        task=NUCLEI,
        find=find_monuseg,
    ),
    PublishedSet(
        key="consep",
        title="CoNSeP",
        cite="Graham et al. 2019, HoVer-Net, Med Image Anal 58:101563",
        licence=_RESEARCH,
        weights_may_be_shared=False,
        pixel_size_um=0.25,
        task=NUCLEI,
        find=find_consep,
    ),
    PublishedSet(
        key="lizard",
        title="Lizard",
        cite="Graham et al. 2021, ICCV Workshops",
        licence=_NC_SA,
        weights_may_be_shared=False,
        pixel_size_um=0.5,
        task=NUCLEI,
        find=find_lizard,
    ),
    PublishedSet(
        key="conic",
        title="CoNIC",
        cite="Graham et al. 2024, Med Image Anal 92:103047",
        licence=_NC_SA,
        weights_may_be_shared=False,
        pixel_size_um=0.5,
        task=NUCLEI,
        find=find_conic,
    ),
    PublishedSet(
        key="pannuke",
        title="PanNuke",
        cite="Gamper et al. 2020, arXiv 2003.10778",
        licence=_NC_SA,
        weights_may_be_shared=False,
        pixel_size_um=0.25,
        task=NUCLEI,
        find=find_pannuke,
    ),
    PublishedSet(
        key="nuinsseg",
        title="NuInsSeg",
        cite="Mahbod et al. 2024, Sci Data 11:295",
        licence=_RESEARCH,
        weights_may_be_shared=False,
        pixel_size_um=None,
        task=NUCLEI,
        find=find_nuinsseg,
    ),
    PublishedSet(
        key="nucls",
        title="NuCLS",
        cite="Amgad et al. 2022, GigaScience 11",
        licence="CC0",
        weights_may_be_shared=True,
        pixel_size_um=0.2,
        task=NUCLEI,
        find=find_nucls,
    ),
    PublishedSet(
        key="tnbc",
        title="TNBC nuclei",
        cite="Naylor et al. 2018, IEEE TMI 38:448",
        licence="CC BY 4.0",
        weights_may_be_shared=True,
        pixel_size_um=0.25,
        task=NUCLEI,
        find=find_tnbc,
    ),
)


def set_named(key: str) -> PublishedSet:
    """Raises ``SettingsError`` where there is no such set."""
    known = {one.key: one for one in SETS}
    if key not in known:
        raise SettingsError(
            f"No set {key!r}; known are {', '.join(known)}. EBHI-SEG, NCT-CRC-HE-100K and Kather's tiles need no "
            "import: name their unpacked folder as a source (docs/training.md)."
        )
    return known[key]
