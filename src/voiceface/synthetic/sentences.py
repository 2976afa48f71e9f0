"""What synthetic people say: sentences put together at random from a few phrases of each language."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

SENTENCES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "en": (
        ("My neighbour found", "The children painted", "We have never sold", "Somebody hid",
         "I would like to see",
         "Her brother repaired", "Nobody noticed", "They carried"),
        ("a yellow boat", "the old piano", "three broken clocks", "a very small dog", "the letter from Peru",
         "half of the furniture", "an enormous pumpkin", "the captain's blue coat"),
        ("behind the station.", "before the rain began.", "on the last day of March.",
         "without asking anyone.",
         "for five and a half years.", "at the edge of the forest.", "while the shop was closed.",
         "near the river."),
    ),
    "sv": (
        ("Min granne hittade", "Barnen målade", "Vi har aldrig sålt", "Någon gömde", "Jag skulle vilja se",
         "Hennes bror lagade", "Ingen märkte", "De bar"),
        ("en gul båt", "det gamla pianot", "tre trasiga klockor", "en mycket liten hund", "brevet från Peru",
         "hälften av möblerna", "en väldig pumpa", "kaptenens blå rock"),
        ("bakom stationen.", "innan regnet började.", "på den sista dagen i mars.", "utan att fråga någon.",
         "i fem och ett halvt år.", "vid skogens kant.", "medan affären var stängd.", "nära floden."),
    ),
    "it": (
        ("Il mio vicino ha trovato", "I bambini hanno dipinto", "Non abbiamo mai venduto",
         "Qualcuno ha nascosto",
         "Vorrei vedere", "Suo fratello ha riparato", "Nessuno ha notato", "Hanno portato"),
        ("una barca gialla", "il vecchio pianoforte", "tre orologi rotti", "un cane molto piccolo",
         "la lettera dal Perù", "metà dei mobili", "una zucca enorme", "il cappotto blu del capitano"),
        ("dietro la stazione.", "prima della pioggia.", "l'ultimo giorno di marzo.",
         "senza chiedere a nessuno.",
         "per cinque anni e mezzo.", "ai margini del bosco.", "mentre il negozio era chiuso.",
         "vicino al fiume."),
    ),
    "hi": (
        ("मेरे पड़ोसी ने कल", "बच्चों ने मिलकर", "किसी ने चुपचाप", "उसके भाई ने", "हम सबने आज",
         "मैंने पहली बार",
         "उन लोगों ने", "दुकानदार ने"),
        ("एक पीली नाव", "वह पुराना बाजा", "तीन टूटी घड़ियाँ", "एक बहुत छोटी गाड़ी", "दूर से आई चिट्ठी",
         "घर की आधी चीज़ें", "एक बड़ी सी टोकरी", "नीले रंग की चादर"),
        ("स्टेशन के पीछे देखी।", "बारिश से पहले बेची।", "बिना पूछे छिपा दी।", "नदी के पास छोड़ दी।",
         "जंगल के किनारे रखी।", "मार्च के महीने में खरीदी।", "बाज़ार में सबको दिखाई।", "पाँच साल तक संभाली।"),
    ),
    "cmn": (
        ("我的邻居昨天找到了", "孩子们一起画了", "我们从来没有卖过", "有人悄悄藏起了",
         "我很想看看", "她哥哥修好了", "谁也没有注意到", "他们搬走了"),
        ("一条黄色的小船，", "那架旧钢琴，", "三个坏了的钟，", "一只很小的狗，", 
         "从远方来的信，", "一半的家具，", "一个很大的南瓜，", "船长的蓝大衣，"),
        ("就在车站后面。", "那时还没有下雨。", "那是三月的最后一天。", "没有问过任何人。", "已经五年半了。",
         "就在树林旁边。", "当时商店关着门。", "离河边不远。"),
    ),
    "sw": (
        ("Jirani yangu alipata", "Watoto walipaka rangi", "Hatujawahi kuuza", "Mtu fulani alificha",
         "Ningependa kuona", "Kaka yake alitengeneza", "Hakuna aliyeona", "Walibeba"),
        ("mashua ya manjano", "kinanda cha zamani", "saa tatu mbovu", "mbwa mdogo sana", "barua kutoka mbali",
         "nusu ya samani", "boga kubwa mno", "koti la buluu la nahodha"),
        ("nyuma ya kituo.", "kabla ya mvua kunyesha.", "siku ya mwisho ya Machi.", "bila kumwuliza mtu.",
         "kwa miaka mitano na nusu.", "kando ya msitu.", "duka lilipokuwa limefungwa.", "karibu na mto."),
    ),
}  # fmt: skip
"""For every language three lists of phrases: one of each makes a sentence."""


def sentence(language: str, rng: np.random.Generator) -> str:
    """One of the 512 sentences of a language.

    >>> sentence("en", np.random.default_rng(0))
    'Nobody noticed half of the furniture for five and a half years.'
    """
    return " ".join(part[int(rng.integers(len(part)))] for part in SENTENCES[language])
