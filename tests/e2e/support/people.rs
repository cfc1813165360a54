//! The person behind a client: whether the person can be asked, and what the person answers.

use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use rmcp::model::{
    ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult, ElicitationAction, ErrorData, Implementation,
    ProtocolVersion,
};
use rmcp::service::RequestContext;
use rmcp::{ClientHandler, RoleClient};
use serde_json::{Map, Value, json};

/// Something that happens while a person thinks.
type Meanwhile = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// The person behind the client.
#[derive(Clone)]
pub(crate) enum Human {
    /// Cannot be asked: the client declares no elicitation.
    Absent,
    /// Cannot be asked by form: the client only opens links.
    OpensLinks,
    /// Ticks, and types the digits the question shows.
    Agrees,
    /// Ticks, and types other digits.
    TypesWrongDigits,
    /// Types the right digits, and does not tick.
    TicksNothing,
    /// Sends the form off as it came: an empty one.
    SendsItEmpty,
    /// Accepts; the client sends no form at all.
    SendsNoForm,
    /// Fills in exactly this.
    FillsIn(Value),
    /// Says no.
    Declines,
    /// Closes the question.
    Cancels,
    /// The client declares that it can ask, and fails when it should.
    CannotBeReached,
    /// Never answers.
    KeepsSilent,
    /// Agrees, after something has happened.
    AgreesAfter(Meanwhile),
}

impl Human {
    /// A person who agrees, but only after this has happened.
    pub(crate) fn agrees_after<F>(meanwhile: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::AgreesAfter(Arc::new(move || Box::pin(meanwhile())))
    }
}

/// A question as it reached the person.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) message: String,
    pub(crate) form: Value,
    /// What came with it for a page.
    pub(crate) meta: Value,
}

/// A client that declares what its person can do, and passes on what the person answers.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) human: Human,
    pub(crate) shows: Option<Value>,
    pub(crate) version: ProtocolVersion,
    pub(crate) asked: Arc<Mutex<Vec<Question>>>,
}

impl Person {
    fn fill_in(&self, question: &Question) -> Map<String, Value> {
        let typed: String = question.message.split('+').nth(1).unwrap_or_default().to_owned();
        let typed = typed.chars().take_while(|c| c.is_ascii_digit() || *c == ' ').filter(char::is_ascii_digit);
        let typed: String = typed.collect();
        let last4 = &typed[typed.len().saturating_sub(4)..];
        let wrong: String = last4.chars().map(|digit| if digit == '0' { '1' } else { '0' }).collect();
        let fields = question.form["properties"].as_object().cloned().unwrap_or_default();
        let value = |field: &Value| match (&self.human, field["type"] == "boolean") {
            (Human::TicksNothing, true) => json!(false),
            (_, true) => json!(true),
            (Human::TypesWrongDigits, false) => json!(wrong),
            (_, false) => json!(last4),
        };
        fields.iter().map(|(name, field)| (name.clone(), value(field))).collect()
    }
}

impl ClientHandler for Person {
    fn get_info(&self) -> ClientConfig {
        let mut capabilities = match self.human {
            Human::Absent => ClientCapabilities::default(),
            Human::OpensLinks => serde_json::from_value(json!({ "elicitation": { "url": {} } })).unwrap(),
            _ => ClientCapabilities::builder().enable_elicitation().build(),
        };
        if let Some(Value::Object(shows)) = &self.shows {
            let extension = ("io.modelcontextprotocol/ui".to_owned(), shows.clone());
            capabilities.extensions = Some([extension].into_iter().collect());
        }
        ClientConfig::new(capabilities, Implementation::new("e2e", "1")).with_protocol_version(self.version.clone())
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let ElicitRequestParams::FormElicitationParams { message, requested_schema, meta: inside } = request else {
            panic!("only forms are asked for");
        };
        let form = serde_json::to_value(&requested_schema).unwrap();
        // Of a request of its own rmcp takes it out; of one within a result it does not.
        let meta = serde_json::to_value(inside.unwrap_or(context.meta)).unwrap();
        let question = Question { message, form, meta };
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(question.clone());
        let content = match &self.human {
            Human::Absent | Human::OpensLinks => panic!("asked, although nobody can be: {question:?}"),
            Human::Declines => return Ok(ElicitResult::new(ElicitationAction::Decline)),
            Human::Cancels => return Ok(ElicitResult::new(ElicitationAction::Cancel)),
            Human::CannotBeReached => return Err(ErrorData::internal_error("no window could be opened", None)),
            Human::KeepsSilent => return std::future::pending().await,
            Human::SendsNoForm => return Ok(ElicitResult::new(ElicitationAction::Accept)),
            Human::SendsItEmpty => json!({}),
            Human::FillsIn(content) => content.clone(),
            Human::AgreesAfter(meanwhile) => {
                meanwhile().await;
                Value::Object(self.fill_in(&question))
            }
            Human::Agrees | Human::TypesWrongDigits | Human::TicksNothing => Value::Object(self.fill_in(&question)),
        };
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(content))
    }
}
