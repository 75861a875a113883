"""Invented names for the sample district, by home language."""

from types import MappingProxyType

LANGUAGES = (("eng", "English", 60), ("spa", "Spanish", 25), ("som", "Somali", 5), ("hmn", "Hmong", 4),
             ("ara", "Arabic", 3), ("vie", "Vietnamese", 3))  # fmt: skip
"""ISO 639 code, name, and percentage of households."""

GIVEN = MappingProxyType(
    {
        "eng": "Ada Amos Beatrix Bram Calla Clyde Cora Dex Della Edith Emmett Faye Finn Greta Gus Hazel Hollis Ione "
        "Ivor Jonah June Keira Kit Lena Linus Mabel Miles Nell Niko Odette Otis Pearl Quinn Reed Rosa Ruth Sam Selma "
        "Tess Theo Una Vera Walt Willa Wren Zadie",
        "spa": "Abril Adán Alma Bruno Camila Ciro Dalia Elías Elena Fabio Flor Gael Inés Iván Jimena Joel Julia Lalo "
        "Lucía Luz Mateo Mila Nadia Nico Noé Olga Pilar Rafael Renata Rocío Rubén Salma Saúl Tadeo Teresa Valeria "
        "Xavi Yadira",
        "som": "Abdi Amina Asha Bashir Deqa Faduma Farah Hodan Idil Jamal Khadra Liban Nimco Omar Sagal Samatar Ubah "
        "Yusuf",
        "hmn": "Bee Chue Dou Gao Hli Ka Kong Lia Mai Meng Nou Pa Pheng See Tou Xai Yeng Zoua",
        "ara": "Adel Amal Basma Dina Fadi Hala Hani Iman Karim Layal Majd Nour Rami Reem Sami Tala Wael Zeina",
        "vie": "An Bao Chi Dung Giang Ha Hien Khoa Lan Linh Mai Minh Nga Phuc Quyen Son Thu Vy",
    }
)
FAMILY = MappingProxyType(
    {
        "eng": "Abbott Ames Barlow Beck Bright Calloway Carver Coyle Dalton Draper Ellery Fenn Fields Gable Garrow "
        "Hale Harlan Hobbs Ingram Jessop Keane Kimball Lark Lowell Marsh Mercer Nash Norwood Oakes Parrish Penn "
        "Quill Radley Rowan Sayer Stroud Tate Thorne Upton Vance Wilder Winslow Yates Yorke",
        "spa": "Acosta Alarcón Baeza Barrios Cano Carrasco Dávila Duarte Escobar Fuentes Gaitán Herrera Ibarra Lara "
        "Lozano Macías Medrano Nava Ochoa Olmos Palma Peralta Quiroga Rangel Rivera Robles Salas Solís Tapia Trejo "
        "Urbina Valdez Vega Zamora Zúñiga",
        "som": "Abdulle Aden Barre Dirie Egal Guled Hirsi Jama Kediye Mohamud Nur Osman Samatar Warsame",
        "hmn": "Cha Hang Her Kue Lor Moua Thao Vang Vue Xiong Yang",
        "ara": "Awad Darwish Fares Haddad Jabr Kassab Mansour Nasser Qasim Rahal Salim Zidan",
        "vie": "Bui Dang Dinh Do Duong Ho Lam Le Ly Ngo Pham Tran Truong Vo",
    }
)
STREETS = (
    "Alder",
    "Badger",
    "Bluestem",
    "Brook",
    "Canyon",
    "Chokecherry",
    "Clover",
    "Creek",
    "Dove",
    "Elder",
    "Foxglove",
    "Granary",
    "Hawk",
    "Juniper",
    "Kestrel",
    "Lantern",
    "Magpie",
    "Meadow",
    "Mill",
    "Orchard",
    "Pinyon",
    "Quarry",
    "Sagebrush",
    "Sparrow",
    "Spruce",
    "Tamarack",
    "Willow",
)
KINDS_OF_STREET = ("Street", "Avenue", "Lane", "Court", "Drive")
CITY, STATE, POSTAL_CODES = "Cottonwood", "CO", ("80091", "80092", "80093", "80094")

DISTRICT = ("cv-district", "Cottonwood Valley School District")
SCHOOLS = (
    ("cv-juniper", "Juniper Elementary School", "1101"),
    ("cv-meadowlark", "Meadowlark Elementary School", "1102"),
    ("cv-ridgeway", "Ridgeway Middle School", "2101"),
    ("cv-harbor", "Harbor Light High School", "3101"),
)
AREAS = ("303", "719", "720", "970", "307", "505", "575", "308", "402", "785", "435", "801", "620")
"""Area codes. Numbers with 555-01xx are reserved for fiction."""


def given(language: str) -> list[str]:
    """Return the first names of a language."""
    return GIVEN[language].split()


def family(language: str) -> list[str]:
    """Return the last names of a language."""
    return FAMILY[language].split()
