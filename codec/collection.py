"""Collections: one set of changes to a model for many images, as a model file of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tqdm import tqdm

from ppyr.bitstream.raster import Samples
from ppyr.coding import encode_levels, tables_of
from ppyr.effort import by_stage
from ppyr.errors import ModelError
from ppyr.models import modelfile, predictor, registry
from ppyr.models.adaptation import Adaptation
from ppyr.models.changes import pack_changes, with_tables
from ppyr.models.modelfile import INGREDIENTS, Recipe
from ppyr.models.search import Search
from ppyr.models.weights import STAGES, check_changeable
from ppyr.picture import Picture

#: Images that are enough to see whether changes pay, evenly chosen.
TRIALS = 24


@dataclass(frozen=True)
class Adapted:
    """A model for a collection.

    Attributes:
        recipe: the model.
        images: how many of the collection's images were coded to see what the changes win.
        before, after: bytes of their levels without the changes and with them.
    """

    recipe: Recipe
    images: int
    before: int
    after: int


def adapt(
    images: Sequence[Samples], model: str, search: Search, *, seed: int = 0, progress: bool = False
) -> Adapted:
    """Find the changes to a model that make the files of a collection smaller.

    A network's changes are kept if they pay on the images that are tried, their own bytes counted once.

    Args:
        images: (H, W) or (H, W, C), uint8; gray ones are heard only if all are gray, alpha never.
        model: name of the model to change.
        search: what to search.
        seed: of the crops.
        progress: show bars on standard error.

    Raises:
        UnsupportedImageError: an array is of another dtype or shape.
        UnknownModelError: there is no such model.
        ModelError: the model is one that was adapted, or of another architecture than files can change.
    """
    model_id = registry.by_name(model)
    path = registry.by_id(model_id)
    sources = dict.fromkeys(INGREDIENTS, model_id)
    if modelfile.is_recipe(path):
        recipe = modelfile.read_recipe(path)
        if recipe.changes:
            raise ModelError(f"{path.name} was adapted already: adapt the model that it was made from")
        sources = dict(recipe.sources)
    prepared = predictor.load(model_id)
    check_changeable(prepared.source)
    pictures = [Picture.of(image) for image in images]
    adaptation = Adaptation(prepared.source, [picture.colours for picture in pictures], seed)
    with tqdm(total=adaptation.steps(search), disable=not progress, unit="step", desc="adapting") as bar:
        adaptation.run(search, advance=bar.update)
    tables = tables_of(prepared)
    found = with_tables(adaptation.changes(), prepared.source, tables)
    tried = pictures[:: -(-len(pictures) // TRIALS)]
    sizes = {changed: dict.fromkeys(STAGES, 0) for changed in (False, True)}
    for picture in tqdm(tried, disable=not progress, unit="image", desc="trying"):
        for changed in (False, True):
            levels = encode_levels(picture, prepared, found if changed else [])
            for stage, coded in by_stage(levels, prepared, []).items():
                sizes[changed][stage] += coded.size
    kept = []
    for stage in STAGES:
        mine = [change for change in found if change.part.startswith(f"{stage}.")]
        payload = len(pack_changes(mine, prepared.source, tables))
        if sizes[True][stage] + payload < sizes[False][stage]:
            kept += mine
        else:
            sizes[True][stage] = sizes[False][stage]
    made = {"images": len(pictures), "steps": search.steps, "seed": seed}
    recipe = Recipe(sources, pack_changes(kept, prepared.source, tables), made)
    return Adapted(recipe, len(tried), sum(sizes[False].values()), sum(sizes[True].values()))
