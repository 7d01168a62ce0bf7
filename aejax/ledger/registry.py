"""Every claim by name, in the order of the ledger."""

from aejax.ledger import digits, mnist_autoencoders, mnist_classifiers, tabular
from aejax.ledger.claim import Claim

EVERY = (*tabular.CLAIMS, *digits.CLAIMS, *mnist_classifiers.CLAIMS, *mnist_autoencoders.CLAIMS)
CLAIMS: dict[str, Claim] = {claim.name: claim for claim in EVERY}
