"""Addresses of the original downloads, by the archive's name.

As public repositories state them; none was visited.
"""

_NLM = ("https://lhncbc.nlm.nih.gov/LHC-downloads/downloads.html"
        "#tuberculosis-image-data-sets")
_VOC = "http://host.robots.ox.ac.uk/pascal/VOC/"

ADDRESSES = {
    "anime_faces": ("https://gwern.net/crop#danbooru2019-portraits",),
    "camvid": ("http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid/",),
    "celeba_landmarks": (
        "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",),
    "celebamask_hq": (
        "https://github.com/switchablenorms/CelebAMask-HQ",),
    "chaos": ("https://chaos.grand-challenge.org/Download/",),
    "cityscapes": ("https://www.cityscapes-dataset.com/downloads/",),
    "isic2018": ("https://challenge.isic-archive.com/data/#2018",),
    "isic2020": ("https://challenge.isic-archive.com/data/#2020",),
    "jsrt": ("http://db.jsrt.or.jp/eng.php",
             "https://www.isi.uu.nl/Research/Databases/SCR/"),
    "lits": ("https://competitions.codalab.org/competitions/17094",),
    "lsun": ("https://www.yf.io/p/lsun",),
    "metfaces": ("https://github.com/NVlabs/metfaces-dataset",
                 "https://github.com/nv-tlabs/semanticGAN_code"),
    "montgomery": (_NLM,),
    "nih_chest_xray": ("https://nihcc.app.box.com/v/ChestXray-NIHCC",),
    "pascal_context": (f"{_VOC}voc2010/",
                       "https://cs.stanford.edu/~roozbeh/pascal-context/"),
    "pascal_part": (f"{_VOC}voc2010/",
                    "http://roozbehm.info/pascal-parts/pascal-parts.html"),
    "pascal_voc": (f"{_VOC}voc2012/",
                   "http://home.bharathh.info/pubs/codes/SBD/download.html"),
    "ph2": ("https://www.fc.up.pt/addi/ph2%20database.html",),
    "shenzhen": (_NLM,),
    "ukiyo_e": ("https://www.justinpinkney.com/ukiyoe-dataset/",),
}
