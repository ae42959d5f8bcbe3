"""The places of the network, as a case of the Garment Workers Centre sees them, and who may see a case."""

PLACES = {
    "own": "Garment Workers Centre",
    "above": "South Asia",
    "root": "International Office",
    "beside": "Tannery Workers Centre",
    "elsewhere": "Europe",
}
OVER = {"own", "above", "root"}
VISIBILITIES = ("sealed", "restricted", "regional", "network")
