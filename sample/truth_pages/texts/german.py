"""German in the spelling of its time: the brothers Grimm, Goethe and Kafka."""

from sample.truth_pages.texts.language import Language, stanzas

GERMAN = Language(
    code="de",
    prose="""
In den alten Zeiten, wo das Wünschen noch geholfen hat, lebte ein König, dessen Töchter waren alle schön, aber die
jüngste war so schön, daß die Sonne selber, die doch so vieles gesehen hat, sich verwunderte, sooft sie ihr ins
Gesicht schien. Nahe bei dem Schlosse des Königs lag ein großer dunkler Wald, und in dem Walde unter einer alten
Linde war ein Brunnen; wenn nun der Tag recht heiß war, so ging das Königskind hinaus in den Wald und setzte sich
an den Rand des kühlen Brunnens; und wenn sie Langeweile hatte, so nahm sie eine goldene Kugel, warf sie in die
Höhe und fing sie wieder; und das war ihr liebstes Spielwerk. Nun trug es sich einmal zu, daß die goldene Kugel der
Königstochter nicht in ihr Händchen fiel, das sie in die Höhe gehalten hatte, sondern vorbei auf die Erde schlug
und geradezu ins Wasser hineinrollte. Die Königstochter folgte ihr mit den Augen nach, aber die Kugel verschwand,
und der Brunnen war tief, so tief, daß man keinen Grund sah. Da fing sie an zu weinen und weinte immer lauter und
konnte sich gar nicht trösten. Es war einmal mitten im Winter, und die Schneeflocken fielen wie Federn vom Himmel
herab. Da saß eine Königin an einem Fenster, das einen Rahmen von schwarzem Ebenholz hatte, und nähte. Und wie sie
so nähte und nach dem Schnee aufblickte, stach sie sich mit der Nadel in den Finger, und es fielen drei Tropfen
Blut in den Schnee. Vor einem großen Walde wohnte ein armer Holzhacker mit seiner Frau und seinen zwei Kindern; das
Bübchen hieß Hänsel und das Mädchen Gretel. Er hatte wenig zu beißen und zu brechen, und einmal, als große Teuerung
ins Land kam, konnte er auch das täglich Brot nicht mehr schaffen. Als Gregor Samsa eines Morgens aus unruhigen
Träumen erwachte, fand er sich in seinem Bett zu einem ungeheueren Ungeziefer verwandelt. Er lag auf seinem
panzerartig harten Rücken und sah, wenn er den Kopf ein wenig hob, seinen gewölbten, braunen, von bogenförmigen
Versteifungen geteilten Bauch, auf dessen Höhe sich die Bettdecke, zum gänzlichen Niedergleiten bereit, kaum noch
erhalten konnte. Seine vielen, im Vergleich zu seinem sonstigen Umfang kläglich dünnen Beine flimmerten ihm hilflos
vor den Augen. Was ist mit mir geschehen? dachte er. Es war kein Traum. Sein Zimmer, ein richtiges, nur etwas zu
kleines Menschenzimmer, lag ruhig zwischen den vier wohlbekannten Wänden. Jemand mußte Josef K. verleumdet haben,
denn ohne daß er etwas Böses getan hätte, wurde er eines Morgens verhaftet. Eine wunderbare Heiterkeit hat meine
ganze Seele eingenommen, gleich den süßen Frühlingsmorgen, die ich mit ganzem Herzen genieße. Ich bin allein und
freue mich meines Lebens in dieser Gegend, die für solche Seelen geschaffen ist wie die meine. Ich bin so
glücklich, mein Bester, so ganz in dem Gefühle von ruhigem Dasein versunken, daß meine Kunst darunter leidet.
""",
    verse=stanzas("""
Wer reitet so spät durch Nacht und Wind?
Es ist der Vater mit seinem Kind;
Er hat den Knaben wohl in dem Arm,
Er faßt ihn sicher, er hält ihn warm.

Mein Sohn, was birgst du so bang dein Gesicht?
Siehst, Vater, du den Erlkönig nicht?
Den Erlenkönig mit Kron und Schweif?
Mein Sohn, es ist ein Nebelstreif.

Über allen Gipfeln
Ist Ruh,
In allen Wipfeln
Spürest du
Kaum einen Hauch;
Die Vögelein schweigen im Walde.
"""),
    titles=(
        "Die Geschichte der Stadt",
        "Vom Garten und vom Felde",
        "Der Froschkönig",
        "Reise nach dem Norden",
        "Briefe aus der Schweiz",
        "Kinder und Hausmärchen",
    ),
    captions=("Der Brunnen im Walde", "Abb. 3. Die alte Mühle am Fluß", "Ansicht des Hafens im Sommer"),
    remarks=(
        "Der König reist ab.",
        "Vom Preise des Korns.",
        "Ein harter Winter.",
        "Die Brücke wird gebaut.",
        "Briefe aus Wien.",
    ),
    terms=(
        "Weizen",
        "Gerste",
        "Hafer",
        "Roggen",
        "Bohnen",
        "Erbsen",
        "Heu",
        "Wolle",
        "Talg",
        "Honig",
        "Salz",
        "Eisen",
    ),
    terms_head="Waren",
    column_heads=("Scheffel", "Preis", "Summe", "Jahr", "Gewicht"),
    page="Seite",
)
