"""Exact-match phrases per language: opt-out, wrong number, automatic reply. Pure."""

import re

PURE = True

_EN_HELLO = (
    r"(?:please|pls|plz|kindly|hi|hello|hey|ok|okay|no|sorry|thanks|thank you|thx|just|can you|could you|will you|"
    r"would you|can u|you need to|i (?:want|need|would like|d like) you to|i said|i asked you to)"
)
_EN_BYE = (
    r"(?:please|pls|plz|thanks|thank you|thx|now|any ?more|again|ever|ok|okay|right now|immediately|at once|at all|"
    r"altogether|for good)"
)
_EN_ME = r"(?:me|us|this (?:number|phone|cell)|my (?:number|phone|phone number|cell|cell phone)|here)"
_EN_TEXTS = r"(?:texts?|txts?|messages?|msgs?|text messages?|sms|texting|messaging|notifications?|reminders?|alerts?)"
_EN_THESE = r"(?:all|all the|all these|all of these|all your|any|any more|the|these|those|this|your|more)"
_EN_VERB = r"(?:texting|txting|messaging|contacting|bothering|spamming|writing(?: to)?|sending)"
_EN = (
    rf"stop {_EN_VERB}(?: (?:{_EN_THESE} )?{_EN_TEXTS})?(?: (?:to )?{_EN_ME})?(?: (?:{_EN_THESE} )?{_EN_TEXTS})?",
    rf"stop (?:{_EN_THESE} )?{_EN_TEXTS}(?: to {_EN_ME})?",
    r"stop",
    rf"(?:no more|no|end|quit|cancel|end all|cancel all|quit sending) (?:of )?(?:{_EN_THESE} )?{_EN_TEXTS}",
    rf"quit {_EN_VERB}(?: {_EN_ME})?(?: (?:{_EN_THESE} )?{_EN_TEXTS})?",
    rf"(?:do not|don ?t|never|dont ever|don t ever) (?:text|txt|message|contact|write(?: to)?) {_EN_ME}",
    rf"(?:do not|don ?t|never) send (?:{_EN_ME} )?(?:{_EN_THESE} )?{_EN_TEXTS}(?: to {_EN_ME})?",
    (
        r"(?:take|remove|delete|get) (?:me|us|my number|this number|my phone number|my name) (?:off|off of|from|out of)"
        r" (?:your|ur|the|this|that) (?:list|lists|mailing list|texting list|text list|contact list|contacts|system|"
        r"database|texts|messages)"
    ),
    r"(?:remove|delete|lose|erase) (?:my|this) (?:number|phone number|cell|phone)",
    r"(?:unsubscribe|remove|opt) (?:me|us)(?: out)?(?: from (?:this|these|your|all)(?: texts| messages| list)?)?",
    (
        r"(?:i|we) (?:want|wish|would like|d like|need) (?:to )?(?:unsubscribe|opt out|stop getting texts|be removed|"
        r"stop receiving texts|stop receiving messages|stop getting messages|end texts)"
    ),
    (
        rf"(?:i|we) (?:do not|don ?t|no longer) (?:want|wish|need)(?: to (?:get|receive))? (?:{_EN_THESE} )?{_EN_TEXTS}"
        r"(?: from (?:you|this number|the school))?"
    ),
    r"(?:i |we )?(?:revoke|withdraw|take back) (?:my |our )?consent",
    rf"(?:i|we) (?:do not|don ?t|no longer) (?:give (?:my )?)?consent(?: to (?:{_EN_THESE} )?{_EN_TEXTS})?",
    rf"(?:(?:i|we) )?no longer (?:want|wish) to (?:get|receive|be sent) (?:{_EN_THESE} )?{_EN_TEXTS}",
    rf"(?:i|we) (?:want|wish|would like|d like) to stop (?:getting|receiving) (?:{_EN_THESE} )?{_EN_TEXTS}",
    rf"stop {_EN_ME}",
    r"(?:i )?opt(?:ing)? out(?: of (?:this|these|your|all|the)? ?(?:texts|messages)?)?",
)
_ES_HELLO = (
    r"(?:por favor|porfavor|favor de|porfa|hola|gracias|ya|disculpe|perdon|buenos dias|buenas tardes|le pido que|"
    r"les pido que|quiero que|pueden|puede|podrian|podria|ok)"
)
_ES_BYE = r"(?:por favor|porfavor|porfa|gracias|ya|mas|nunca mas|otra vez|a este numero|a mi numero|nunca)"
_ES_TEXTS = r"(?:mensajes?(?: de texto)?|mensajitos|textos?|sms|recordatorios|avisos)"
_ES_SEND = (
    r"(?:manden|mande|mandes|envien|envie|envies|escriban|escriba|escribas|texteen|textee|contacten|contacte|molesten|"
    r"moleste|molestes)"
)
_ES_TO = r"(?:mandarme|enviarme|escribirme|textearme|contactarme|molestarme|molestar|mandar|enviar|escribir|llegarme)"
_ES_OFF = r"(?:quiten|quite|quita|saquen|saque|saca|borren|borre|borra|eliminen|elimine|elimina)"
_ES = (
    rf"(?:ya )?no (?:me|nos) {_ES_SEND}(?: (?:mas|ya))?(?: {_ES_TEXTS}| nada)?",
    r"(?:ya )?no (?:quiero|queremos) recibir nada",
    rf"(?:ya )?no {_ES_SEND}(?: (?:mas|ya))? {_ES_TEXTS}",
    (
        rf"(?:ya )?no (?:quiero|queremos|deseo|deseamos)(?: (?:mas|recibir|recibir mas|que me manden|que me envien|"
        rf"que me manden mas|que me envien mas))? (?:sus |estos |los |mas )?{_ES_TEXTS}"
    ),
    rf"(?:ya )?no mas(?: {_ES_TEXTS})?",
    (
        rf"{_ES_OFF} (?:mi|este) (?:numero|telefono|celular)(?: de (?:telefono|celular))?"
        r"(?: de (?:la|su|esta|sus) listas?)?"
    ),
    rf"{_ES_OFF}(?:me|nos)(?: de (?:la|su|esta|sus) listas?)?",
    rf"(?:dejen|deje|deja|paren|pare|para) de {_ES_TO}(?: {_ES_TEXTS})?",
    (
        r"(?:parar|detener|cancelar|cancele|cancelen|detenga|detengan|terminar|terminen|alto|basta|stop|pare|paren|"
        r"alto a los|basta de)"
        rf"(?: (?:los|estos|todos los|sus|con los|con sus|de))? {_ES_TEXTS}"
    ),
    r"(?:quiero |quisiera |deseo )?(?:darme|dar(?:nos)?) de baja|me quiero dar de baja|alto|basta|stop|pare|paren",
)


def _whole(hello: str, bodies: tuple[str, ...], bye: str) -> re.Pattern[str]:
    return re.compile(rf"(?:{hello} )*(?:{'|'.join(bodies)})(?: {bye})*")


_STOPS = (_whole(_EN_HELLO, _EN, _EN_BYE), _whole(_ES_HELLO, _ES, _ES_BYE))
_WRONG = (
    re.compile(
        r"(?:(?:hi|hello|sorry|i think|i believe|i m sorry|im sorry) )*(?:(?:this is|its|it s|you have|you got|"
        r"you ve got|u have|u got) )?(?:the |a )?wrong (?:number|person|phone)"
        r"(?: (?:sorry|please|thanks|thank you|bro|sir|stop texting me|please stop|stop))*"
    ),
    re.compile(
        r"(?:(?:hola|disculpe|perdon|lo siento|creo que|este es un|es un|este|es|tiene|tienen|tiene un|tienen un|"
        r"tienen el|tiene el) )*(?:numero|telefono) (?:equivocado|incorrecto)(?: (?:disculpe|perdon|lo siento|gracias|"
        r"por favor))*"
    ),
    re.compile(r"(?:creo que )?se (?:ha )?equivoc(?:o|aron|ado|a) (?:de|con el) (?:numero|telefono|persona)"),
    re.compile(
        r"(?:i|we) (?:do not|don ?t) have (?:a|any) (?:child|children|kid|kids)"
        r"(?: (?:at|in) (?:this|that|your) school| there)?"
    ),
    re.compile(r"(?:yo )?no (?:tengo|tenemos) (?:hijos|ninos)(?: en (?:esa|esta|su) escuela| ahi)?"),
)
_TEXTS = r"\b(?:texts?|txts?|texting|messages?|messaging|msgs?|mensajes?|mensajitos|textos?|textear|sms)\b"
_ENOUGH = (
    r"\b(?:stop|instead|rather|prefer|too many|so many|fewer|less|annoying|enough|tired of|quit|remove me|"
    r"(?:do not|don t|dont) (?:text|message|like)|hate|spam|prefiero|prefiera|demasiados?|tantos?|menos|en vez|"
    r"en lugar|mejor|basta|molesta|molestan|cansad[oa]|dejen|deje|ya no|spam)\b"
)
_POLITE = (
    re.compile(rf"(?=.*{_TEXTS})(?=.*{_ENOUGH})"),
    re.compile(
        r"(?:.* )?(?:i would|i d|we would|we d|id)? ?(?:rather|prefer) (?:you |a |that you |to |if you )*"
        r"(?:call|called|phone|phone call|be called|talk)\b"
    ),
    re.compile(r"(?:.* )?(?:prefiero|mejor) (?:que )?(?:me |una )?(?:llame|llamen|llamada|por telefono)\b"),
    re.compile(r"(?:please )?(?:do not|don ?t) (?:text|message|contact) (?:me|us|my)\b"),
)
_KEEPS_ON = re.compile(
    r"\b(?:don ?t|do not|never) stop\b|\bno (?:paren|dejen|pare|deje)\b|\bkeep (?:texting|sending)\b"
)
_ROBOT = re.compile(
    r"(?:this is an? )?(?:auto(?:matic|mated)? ?(?:reply|response|message|text|respuesta)|autoreply|autoresponder)\b"
    r"|out of (?:the )?office\b|.{0,60}\bi (?:am|m) (?:currently )?out of (?:the )?office\b"
    r"|(?:hi |hello )?i ?(?:m| am) (?:currently )?driving\b|.{0,40}\bdo not disturb while driving\b"
    r"|i ?(?:m| am) (?:currently )?driving with (?:focus|do not disturb)\b|i ?m not receiving notifications\b"
    r"|i ?(?:ll| will) see your message when\b|.{0,80}\b(?:this|the) (?:number|mailbox|inbox|line) (?:is not|isn t|does"
    r" not|cannot|can t|can not) (?:monitored|accept|receive|be monitored)\b"
    r"|(?:free msg|freemsg|service access denied|message blocked|unable to (?:send|deliver)|error invalid number)\b"
    r"|.{0,60}\b(?:this is|esto es|este es) an? (?:automated|automatic) (?:message|response|reply|text)\b"
    r"|(?:respuesta|mensaje|contestacion) automatic[oa]\b"
    r"|(?:este|esto) es (?:un|una) (?:mensaje|respuesta) automatic[oa]\b"
    r"|fuera de (?:la )?oficina\b|estoy (?:conduciendo|manejando)\b"
)


def is_opt_out(words: str) -> bool:
    """Return whether a whole normalized message is a clear opt-out."""
    return any(pattern.fullmatch(words) for pattern in _STOPS)


def is_wrong_number(words: str) -> bool:
    """Return whether a normalized message reports a wrong number."""
    return any(pattern.fullmatch(words) for pattern in _WRONG)


def is_possible_opt_out(words: str) -> bool:
    """Return whether a message may ask for fewer messages. Staff decide; it is no automatic opt-out."""
    return not _KEEPS_ON.search(words) and any(pattern.match(words) for pattern in _POLITE)


def is_automatic_reply(words: str) -> bool:
    """Return whether a normalized message starts like an automatic reply, such as a phone's driving mode."""
    return _ROBOT.match(words) is not None
