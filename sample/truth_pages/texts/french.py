"""French: Voltaire, Perrault, Proust and La Fontaine."""

from sample.truth_pages.texts.language import Language, stanzas

FRENCH = Language(
    code="fr",
    prose="""
Il y avait en Westphalie, dans le château de monsieur le baron de Thunder-ten-tronckh, un jeune garçon à qui la
nature avait donné les mœurs les plus douces. Sa physionomie annonçait son âme. Il avait le jugement assez droit,
avec l'esprit le plus simple; c'est, je crois, pour cette raison qu'on le nommait Candide. Les anciens domestiques
de la maison soupçonnaient qu'il était fils de la sœur de monsieur le baron et d'un bon et honnête gentilhomme du
voisinage, que cette demoiselle ne voulut jamais épouser parce qu'il n'avait pu prouver que soixante et onze
quartiers, et que le reste de son arbre généalogique avait été perdu par l'injure du temps. Monsieur le baron était
un des plus puissants seigneurs de la Westphalie, car son château avait une porte et des fenêtres. Sa grande salle
même était ornée d'une tapisserie. Tous les chiens de ses basses-cours composaient une meute dans le besoin; ses
palefreniers étaient ses piqueurs; le vicaire du village était son grand aumônier. Ils l'appelaient tous
monseigneur, et ils riaient quand il faisait des contes. Il était une fois une petite fille de village, la plus
jolie qu'on eût su voir; sa mère en était folle, et sa grand-mère plus folle encore. Cette bonne femme lui fit
faire un petit chaperon rouge, qui lui seyait si bien, que partout on l'appelait le petit Chaperon rouge. Un jour
sa mère, ayant fait des galettes, lui dit d'aller voir comment se portait sa grand-mère, car on lui avait dit
qu'elle était malade. Longtemps, je me suis couché de bonne heure. Parfois, à peine ma bougie éteinte, mes yeux se
fermaient si vite que je n'avais pas le temps de me dire que je m'endormais. Et, une demi-heure après, la pensée
qu'il était temps de chercher le sommeil m'éveillait; je voulais poser le volume que je croyais avoir encore dans
les mains et souffler ma lumière; je n'avais pas cessé en dormant de faire des réflexions sur ce que je venais de
lire, mais ces réflexions avaient pris un tour un peu particulier. Un marchand, qui avait perdu tous ses vaisseaux
dans une tempête, se retira à la campagne avec ses trois filles. La plus jeune était si belle et si bonne que tout
le monde l'aimait. Elle se levait à quatre heures du matin, et se dépêchait de nettoyer la maison et d'apprêter à
dîner pour la famille.
""",
    verse=stanzas("""
Maître Corbeau, sur un arbre perché,
Tenait en son bec un fromage.
Maître Renard, par l'odeur alléché,
Lui tint à peu près ce langage:

Hé bonjour, Monsieur du Corbeau.
Que vous êtes joli! que vous me semblez beau!
Sans mentir, si votre ramage
Se rapporte à votre plumage,
Vous êtes le phénix des hôtes de ces bois.

La Cigale, ayant chanté
Tout l'été,
Se trouva fort dépourvue
Quand la bise fut venue.
"""),
    titles=(
        "Histoire de la ville",
        "Des jardins et des vergers",
        "Candide, ou l'optimisme",
        "Voyage dans le Nord",
        "Lettres de la campagne",
        "Contes du temps passé",
    ),
    captions=("Le puits dans la forêt", "Fig. 3. Le vieux moulin", "Vue du port en été"),
    remarks=("Le roi s'en va.", "Du prix du blé.", "Un rude hiver.", "On bâtit le pont.", "Lettres de Paris."),
    terms=("Froment", "Orge", "Avoine", "Seigle", "Fèves", "Pois", "Foin", "Laine", "Suif", "Miel", "Sel", "Fer"),
    terms_head="Denrées",
    column_heads=("Boisseaux", "Prix", "Total", "Année", "Poids"),
    page="page",
)
