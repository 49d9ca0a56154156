"""Build the faces of trials and the outlooks of dry runs, which the door shows."""

from channels.email.render.build import MailContext
from channels.email.render.preview import PREVIEW_SIGNER
from channels.portal.model.site import ASSETS_PATH, DEFAULT_COVER_PATH
from channels.portal.preview import PortalPreview
from channels.zalo.publications.render import ArticleDefaults
from consumers.app.node import Node
from consumers.app.wiring.portal import portal_site
from consumers.desk.unit_events import UnitEvents
from consumers.trials.dry_run import ItemDryRuns
from consumers.trials.faces import RenderedTrials
from consumers.trials.history import TrialPages
from consumers.trials.store import TrialStore
from producers.gateway.history import EventPages


def open_faces(node: Node) -> RenderedTrials:
    """The faces of trials; they name the portal's own style sheet, and make no real links."""
    url = node.public_url
    return RenderedTrials(
        TrialStore(node.bus),
        node.ledger,
        PortalPreview(portal_site(node), f"{url}{ASSETS_PATH}"),
        MailContext(node.email, url, PREVIEW_SIGNER, node.vocabulary),
        ArticleDefaults(url, f"{url}{DEFAULT_COVER_PATH}"),
    )


def open_pages(node: Node, faces: RenderedTrials) -> EventPages:
    """The events of units in earnest, and their trials, by pages."""
    live = UnitEvents(node.bus, None, node.clock)
    return EventPages(live, TrialPages(faces.store, node.clock))


def open_outlooks(node: Node, faces: RenderedTrials) -> ItemDryRuns:
    """The outlooks of events that a unit only asks about."""
    return ItemDryRuns(node.bus, faces.store, node.ledger, faces, node.vocabulary, node.clock)
